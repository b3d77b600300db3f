"""Files are read by lines where each line is a row, and to the same end as any other file."""

import gzip
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deca_nb import files
from deca_nb.files import InputError, notes_of, read_columns, read_frame, read_header, read_plain_rows
from deca_nb.interactions import Interactions, read_interactions, read_split

FIELDS = ["a", "7", "-3.5", "é", "NA", " ", '"', '""', '"q"', '"a,b"', '"a\nb"', '"a""b"', "\0", ""]
HEADS = [
    "user,item\n",
    "user,item,rating\r\n",
    '"user","item"\n',
    "\ufeffuser,item\n",
    "\nuser,item\n",
    "  \nuser,item\n",
    "",
]
ENDS = ["\n", "\n", "\r\n", "\n\n", " \n", ""]
rows = st.lists(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4).map(",".join), max_size=5)


def outcome(read, path):
    """What comes of reading: columns and cells, or the sentence that refuses."""
    try:
        frame, columns = read(path)
    except InputError as error:
        return str(error)
    return list(frame), frame.astype(object).where(frame.notna(), None).values.tolist(), columns


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(HEADS),
    rows,
    st.sampled_from(ENDS),
    st.sampled_from([".csv", ".tsv", ".csv.gz"]),
    st.sampled_from([8, 16, 1 << 24]),
)
@example("user,item\n", ['1,"2'], "", ".csv", 8)
@example("user,item\n", ['1,"2', "3,4"], "\n", ".csv", 16)
@example("user,item\n", ["1", "2,3"], "\n", ".csv", 16)
@example("user,item\n", ["1,2,3"], "\n", ".csv", 16)
@example("", ["a", " "], "\n", ".csv", 8)
def test_lines_and_pandas_read_the_same(head, lines, end, suffix, block):
    text = (head + end.join([*lines, ""])).replace(",", "," if "csv" in suffix else "\t")
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        path = Path(folder) / f"x{suffix}"
        path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
        patched.setattr(files, "BLOCK", block)
        by_lines = outcome(read_frame, path)
        patched.setattr(files, "read_plain_rows", lambda *how: None)
        assert by_lines == outcome(read_frame, path)


ORDINARY = {
    "plain": b"user,item,rating\n1,2,3\n4,5,6\n",
    "other line ends": b"user,item,rating\r\n1,2,3\r\n4,5,6\r\n",
    "last line open": b"user,item,rating\n1,2,3\n4,5,6",
    "quotes": b'"user","item","rating"\n"1","2",3\n"4","5",6\n',
    "byte order mark": b"\xef\xbb\xbfuser,item,rating\n1,2,3\n4,5,6\n",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_files_are_read_by_lines(name, tmp_path):
    (tmp_path / "x.csv").write_bytes(ORDINARY[name])
    header, names = read_header(tmp_path / "x.csv", ",")
    table = read_plain_rows(tmp_path / "x.csv", ",", header, names, {"user", "item"}, names)
    assert table.to_pandas().astype(str).values.tolist() == [["1", "2", "3"], ["4", "5", "6"]]


def test_a_column_of_roles_is_read_as_in_the_whole_file(tmp_path):
    (tmp_path / "x.csv").write_text("note,timestamp,item,user,rating\nx,12,07,b,4\ny,13,7,a,4.5\n")
    frame, columns = read_columns(tmp_path / "x.csv")
    whole, same = read_frame(tmp_path / "x.csv")
    assert list(frame) == ["user", "item", "rating", "timestamp"] and columns == same
    assert frame.astype({"user": str, "item": str}).equals(
        whole[list(frame)].astype({"rating": float, "timestamp": int})
    )


FRAMES = {
    "integers": pd.DataFrame({"user": [3, 1, 3], "item": [1, 2, 2], "other": [1.5, 2.5, 3.5]}),
    "text": pd.DataFrame({"user": ["b", "a", "b"], "item": ["7", "07", "07"]}),
    "floats": pd.DataFrame({"user": [3.0, 1.0, 3.0], "item": [1, 2, 2], "rating": [1, 2, 3]}),
    "categories": pd.DataFrame({"user": ["b", "a", "b"], "item": [1, 2, 2]}).astype({"user": "category"}),
    "dates": pd.DataFrame(
        {"user": [1, 2], "item": [1, 2], "timestamp": pd.to_datetime(["2020-01-01", "2021-01-01"], utc=True)}
    ),
    "an index": pd.DataFrame({"user": [3, 1], "item": [1, 2]}, index=pd.Index(["x", "y"], name="row")),
    "nullable": pd.DataFrame({"user": [3, 1], "item": [1, 2]}).convert_dtypes(),
}


@pytest.mark.parametrize("name", FRAMES)
def test_parquet_is_read_as_by_pandas(name, tmp_path):
    FRAMES[name].to_parquet(tmp_path / "x.parquet")
    by_pandas = pd.read_parquet(tmp_path / "x.parquet")
    by_pandas = by_pandas.reset_index([name for name in by_pandas.index.names if name])  # as columns
    frame, columns = read_frame(tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(frame, by_pandas)
    pairs = read_interactions(tmp_path / "x.parquet")
    again = type(pairs).from_frame(by_pandas, **columns)
    assert pairs.to_frame().equals(again.to_frame()) and pairs.digest == again.digest


def test_columns_of_a_parquet_file_without_an_item_are_all_named(tmp_path):
    FRAMES["integers"].rename(columns={"item": "thing"}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"columns: user, thing, other"):
        read_interactions(tmp_path / "x.parquet")


def test_many_blocks_number_their_ids_alike(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    cells = rng.permutation(np.arange(40 * 30))[:600]
    frame = pd.DataFrame({"user": cells // 30 + 1, "item": cells % 30, "rating": rng.integers(1, 6, 600)})
    frame.to_csv(tmp_path / "x.csv", index=False)
    monkeypatch.setattr(files, "BLOCK", 512)
    pairs = read_interactions(tmp_path / "x.csv")
    assert pairs.to_frame().astype(int).equals(frame) and pairs.user_ids.is_monotonic_increasing


SWALLOWED = [f"{row},{row % 7},title {row}" for row in range(200)]
SWALLOWED[20], SWALLOWED[60] = '20,6,"The End', '60,4,"The Beginning'


@pytest.mark.parametrize("suffix", [".tsv", ".inter", ".tsv.gz"])
def test_without_quoting_a_mark_is_a_letter(suffix, tmp_path):
    text = "\n".join(["user,item,title", *SWALLOWED, ""]).replace(",", "\t").encode()
    (tmp_path / f"x{suffix}").write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    frame, _ = read_frame(tmp_path / f"x{suffix}")
    assert len(frame) == len(read_interactions(tmp_path / f"x{suffix}")) == 200
    assert frame["title"][20] == '"The End'


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_mark_that_swallows_rows_is_refused(suffix, tmp_path):
    text = "\n".join(["user,item,title", *SWALLOWED, ""]).encode()
    (tmp_path / f"x{suffix}").write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    for read in (read_frame, read_columns):
        with pytest.raises(InputError, match="in the row that begins in line 22 a quotation mark"):
            read(tmp_path / f"x{suffix}")


def test_breaks_and_commas_within_marks_are_read(tmp_path):
    (tmp_path / "x.csv").write_text('user,item,title\n1,2,"a, ""b""\nc"\n3,4,"d"\n')
    frame, _ = read_frame(tmp_path / "x.csv")
    assert frame["title"].tolist() == ['a, "b"\nc', "d"]


# The same six rows, written in many ways.

ROWS = pd.DataFrame(
    {
        "user": ["007", "007", "b", "b", "é", "é"],
        "item": ["x", "y", "x", "z", "y", "z"],
        "rating": ["4", "5", "1", "2", "3.5", "5"],
        "note": ["plain", "a, b", "c; d", 'e "f"', "g | h", "ï"],
    }
)


def same_rows(path, note="", **how):
    """Whether both readers give the rows, with such a note or without any."""
    frame, columns = read_frame(path, **how)
    assert frame[list(ROWS)].astype(str).equals(ROWS.astype(str)), frame
    some, again = read_columns(path, **how)
    assert columns == again and some["user"].astype(str).tolist() == ROWS["user"].tolist()
    assert some["rating"].astype(float).tolist() == [4, 5, 1, 2, 3.5, 5]
    for notes in (notes_of(frame), notes_of(some)):
        assert len(notes) == bool(note) and all(note in one for one in notes), notes


@pytest.mark.parametrize(("sign", "note"), [(",", ""), (";", "by ';'"), ("\t", ""), ("|", "by '|'")])
def test_the_separator_is_found(sign, note, tmp_path):
    rows = ROWS.drop(columns="note").assign(note=["1", "2", "3", "4", "5", "6"]) if sign == "\t" else ROWS
    rows.to_csv(tmp_path / "x.csv", sep=sign, index=False)
    if sign != "\t":  # where a quotation mark is a letter
        return same_rows(tmp_path / "x.csv", note)
    assert read_frame(tmp_path / "x.csv")[0].equals(rows.astype(str))
    return None


def test_the_separator_may_be_said(tmp_path):
    (tmp_path / "x.csv").write_text("user~item,a;b~rating\n1~2~3\n4~5~6\n")
    with pytest.raises(InputError, match="no column 'user'"):
        read_interactions(tmp_path / "x.csv", item="item,a;b")
    pairs = read_interactions(tmp_path / "x.csv", item="item,a;b", separator="~")
    assert pairs.to_frame().values.tolist() == [[1, 2, 3], [4, 5, 6]]
    (tmp_path / "x.tsv").write_text("user,item\n1,2\n3,4\n")
    assert len(read_interactions(tmp_path / "x.tsv", separator=",")) == 2
    with pytest.raises(InputError, match="--separator 12 cannot part columns"):
        read_interactions(tmp_path / "x.tsv", separator="12")
    ROWS.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"a \.parquet file is no text, so leave out --encoding"):
        read_interactions(tmp_path / "x.parquet", encoding="utf-8")


@pytest.mark.parametrize(
    ("written", "note"),
    [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("latin-1", "read as cp1252; --encoding")],
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_the_encoding_is_found(written, note, suffix, tmp_path):
    ROWS.to_csv(tmp_path / f"x{suffix}", encoding=written, index=False)
    same_rows(tmp_path / f"x{suffix}", note)


def test_the_encoding_may_be_said(tmp_path):
    rows = ROWS.replace("ï", "€")
    rows.to_csv(tmp_path / "x.csv", encoding="cp1252", index=False)
    frame, _ = read_frame(tmp_path / "x.csv", encoding="cp1252")
    assert frame["note"].tolist() == rows["note"].tolist() and notes_of(frame) == ()
    for wrong, said in (("utf-8", "not written in utf-8; give"), ("latin-99", "no encoding 'latin-99'")):
        with pytest.raises(InputError, match=said):
            read_frame(tmp_path / "x.csv", encoding=wrong)


def zipped(frame, path):
    """The frame as the one file of an archive, beside what an archive of a Mac holds."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("log/clicks.csv", frame.to_csv(index=False))
        archive.writestr("__MACOSX/log/._clicks.csv", "")


def parts(write):
    """A writer of the frame in two parts, and of what another program leaves beside them."""

    def written(frame, folder):
        folder.mkdir()
        write(frame[:4], folder / "part-0")
        write(frame[4:], folder / "part-1")
        (folder / "_SUCCESS").touch()

    return written


WRITERS = {
    "x.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "x.ndjson.gz": lambda frame, path: frame.to_json(path, orient="records", lines=True, compression="gzip"),
    "x.feather": lambda frame, path: frame.to_feather(path),
    "x.zip": zipped,
    "folder": parts(lambda frame, path: frame.to_parquet(f"{path}.parquet")),
    "texts": parts(lambda frame, path: frame.to_csv(f"{path}.csv", index=False)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_holds_the_same_rows(name, tmp_path):
    WRITERS[name](ROWS, tmp_path / name)
    same_rows(tmp_path / name, "" if "x." in name else "2 files are read as one")


def test_parts_are_meant_by_a_pattern(tmp_path):
    WRITERS["texts"](ROWS, tmp_path / "log")
    ROWS.to_parquet(tmp_path / "log" / "old.parquet")
    same_rows(tmp_path / "log" / "part-?.csv", "2 files are read as one")
    with pytest.raises(InputError, match=r"parts of several kinds \(.csv, .parquet\); give a pattern"):
        read_frame(tmp_path / "log")
    ROWS.drop(columns="note").to_csv(tmp_path / "log" / "part-2.csv", index=False)
    with pytest.raises(InputError, match=r"part-2.csv: its columns .* are not those of .*part-0.csv"):
        read_frame(tmp_path / "log" / "part-*.csv")
    (tmp_path / "none").mkdir()
    for nothing in ("none", "log/x-*.csv"):
        with pytest.raises(InputError, match=r"there is no such file|holds no file"):
            read_frame(tmp_path / nothing)


def test_numbers_of_json_stay_numbers(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"user": 7, "item": "2024-01-02"}\n{"user": 10, "item": "07"}\n')
    pairs = read_interactions(tmp_path / "x.jsonl")
    assert pairs.user_ids.tolist() == [7, 10] and pairs.item_ids.tolist() == ["07", "2024-01-02"]
    (tmp_path / "x.jsonl").write_text('{"user": 7}\n{"user"\n')
    with pytest.raises(InputError, match=r"x\.jsonl: there is a line that is no JSON object"):
        read_frame(tmp_path / "x.jsonl")


def test_a_sheet_is_read_or_its_reader_is_named(tmp_path, monkeypatch):
    rows = ROWS.assign(rating=ROWS["rating"].astype(float))
    rows.to_excel(tmp_path / "x.xlsx", index=False)
    frame, _ = read_frame(tmp_path / "x.xlsx")
    assert frame.astype({"rating": float}).equals(rows) and notes_of(frame) == ()
    with pd.ExcelWriter(tmp_path / "two.xlsx") as book:
        rows.to_excel(book, sheet_name="log", index=False)
        rows[:1].to_excel(book, sheet_name="more", index=False)
    frame, _ = read_frame(tmp_path / "two.xlsx")
    assert len(frame) == 6 and "first sheet, 'log', is read of 2" in notes_of(frame)[0]
    (tmp_path / "y.xlsx").touch()
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InputError, match=r"openpyxl.*install it with pip install 'deca-nb\[excel\]'"):
        read_frame(tmp_path / "y.xlsx")


HEADERS = {
    "userId,movieId,rating,timestamp": ("userId", "movieId", "rating", "timestamp"),
    "customer_id,SKU,Stars,order_date": ("customer_id", "SKU", "Stars", "order_date"),
    "User ID,Item ID,qty,x": ("User ID", "Item ID", None, None),
    "user,userId,item,time": ("user", "item", None, "time"),
    "client,visitor,product,price": ("user", "product", None, None),
    "user,item,date,time": ("user", "item", None, None),
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_likely_header_is_taken(header, tmp_path):
    (tmp_path / "x.csv").write_text(f"{header}\n1,2,3,4\n")
    frame, columns = read_frame(tmp_path / "x.csv")
    assert tuple(columns.values()) == HEADERS[header]
    usual = {"user", "item", "rating", "timestamp"}
    guessed = [column for column in columns.values() if column and column not in usual]
    said = " ".join(notes_of(frame))
    assert all(f"'{column}'" in said for column in guessed) and bool(guessed) == ("likely names" in said)
    assert ("'date' and 'time' may each be the timestamp" in said) == ("date,time" in header)


@pytest.mark.parametrize("again", ["user,item,rating\n", '"user",item,rating\n\n'])
def test_a_header_in_the_middle_is_refused(again, tmp_path):
    (tmp_path / "x.csv").write_text(f"user,item,rating\n1,2,3\n4,5,6\n{again}7,8,9\n")
    for read in (read_frame, read_columns):
        with pytest.raises(InputError, match=r"row 3, which is line 4 .* is the header once more"):
            read(tmp_path / "x.csv")


def test_ids_that_a_merge_turned_to_floats_are_the_same_beside_text(tmp_path):
    parts = {"a": "7.0\nA7\n8.0\nB\n", "b": "7\nA7\n", "c": "8\nB\n"}
    for name, users in parts.items():
        rows = [f"{user},{place}" for place, user in enumerate(users.split())]
        (tmp_path / f"{name}.csv").write_text("\n".join(["user,item", *rows]) + "\n")
    split = read_split(tmp_path / "a.csv", valid=tmp_path / "b.csv", test=tmp_path / "c.csv")
    assert split.train.user_ids.tolist() == ["7", "8", "A7", "B"]
    (tmp_path / "versions.csv").write_text("user,item\n1,2.0\n2,2.1\n")
    assert read_interactions(tmp_path / "versions.csv").item_ids.tolist() == ["2.0", "2.1"]


def test_how_long_a_large_file_takes_is_measured(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import reading

    reading.write_files(tmp_path, 3000)
    rows = [{"file": file, "MB": 1.0, **reading.measure(tmp_path / file)} for file in reading.FILES]
    assert len({row["pairs"] for row in rows}) == 1 and all(row["GB to read"] > 0 for row in rows)
    assert all(f"| {file} |" in reading.page(rows, 3000) for file in reading.FILES)


def test_ten_million_rows_were_read_in_time():
    """The committed count: what the page says was measured."""
    rows = pd.read_csv(ROOT / "results" / "reading" / "reading-files.csv").set_index("file")
    assert (rows["pairs"] > 9.9e6).all() and rows.loc["log.csv", "MB"] > 300
    assert (rows["read"] < 40).all() and (rows["GB to read"] < 3).all()


def test_very_wide_and_very_long_files_are_told_or_read(tmp_path):
    """A header of 10^5 names was refused by the module csv, and looked through again for each name."""
    names = ["user", "item", *(f"c{n}" for n in range(100_000))]
    (tmp_path / "wide.csv").write_text(
        ",".join(names) + "\n" + "\n".join(["1,2" + ",0" * 100_000, "2,3" + ",0" * 100_000])
    )
    assert len(read_interactions(tmp_path / "wide.csv")) == 2
    (tmp_path / "long.csv").write_text("user,item,rating\n1,2," + "x" * 5_000_000 + "\n2,3,4\n")
    with pytest.raises(InputError) as refused:
        read_interactions(tmp_path / "long.csv")
    assert len(str(refused.value)) < 1100 and "long.csv" in str(refused.value)


# What was read otherwise than it is written, or refused without a remedy.

EXACT = ["00000", "1.1", "1.10", "+490", "1e5", "TRUE", "0e5", "NA"]


def test_cells_of_text_stay_text_as_in_a_csv_file(tmp_path):
    """Of a sheet, '1.1' and '1.10' became one user, and '00005' the number 5."""
    rows = pd.DataFrame({"user": EXACT, "item": range(1, 9), "rating": [5, 4.5] * 4, "timestamp": range(8)})
    rows.to_excel(tmp_path / "x.xlsx", index=False)
    rows.to_csv(tmp_path / "x.csv", index=False)
    sheet, text = (read_interactions(tmp_path / f"x.{kind}") for kind in ("xlsx", "csv"))
    assert sheet.user_ids.tolist() == text.user_ids.tolist() == sorted(EXACT)
    assert sheet.item_ids.tolist() == list(range(1, 9)) and sheet.digest == text.digest
    frame, _ = read_frame(tmp_path / "x.xlsx")
    assert frame["rating"].dtype == float and frame["item"].dtype == int


def test_numbers_and_texts_of_parts_are_joined_as_in_one_file(tmp_path):
    pd.DataFrame({"user": ["00012", "7"], "item": [1, 2]}).to_parquet(tmp_path / "0.parquet")
    pd.DataFrame({"user": [12, 7], "item": [3, 4]}).to_parquet(tmp_path / "1.parquet")
    frame, _ = read_frame(tmp_path / "*.parquet")
    assert Interactions.from_frame(frame).user_ids.tolist() == ["00012", "12", "7"]
    assert notes_of(frame)[1].startswith("column 'user' holds numbers in some parts and texts in others")
    assert "'item'" not in notes_of(frame)[1]


TWO_ROLES = {
    "weight": ("rating", "both the rating and the weight; name", "--rating none"),
    "rating": ("timestamp", "both the rating and the timestamp; name", "--rating none"),
    "user": ("item", "both the user and the item; name", "--item"),
    "item": ("timestamp", "both the item and the timestamp; name", "--timestamp none"),
}


@pytest.mark.parametrize("role", TWO_ROLES)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_has_one_role(role, kind, tmp_path):
    rows = pd.DataFrame({"user": [1, 2], "item": [3, 4], "rating": [5, 4], "timestamp": [1, 2]})
    getattr(rows, f"to_{kind}")(tmp_path / f"x.{kind}", index=False)
    column, said, remedy = TWO_ROLES[role]
    with pytest.raises(InputError) as refused:
        read_interactions(tmp_path / f"x.{kind}", **{role: column})
    assert f"column '{column}' cannot be {said}" in str(refused.value) and remedy in str(refused.value)
    assert len(str(refused.value)) < 300


NO_VALUES = {
    "timestamp": ([None, 3, 4], "None in row 1, which is neither a number nor a date"),
    "timestamp ": (["3", "nan", "4"], "in row 2, which is neither a number nor a date"),
    "timestamp  ": (["3", "1e400", "4"], "in row 2, which is neither a number nor a date"),
    "weight": ([1.0, 1e308, 1.0], "has a sum of 1e+308, too large for float32"),
    "weight ": ([1e-300, 1e-300, 0.0], "has no weight above 0"),
    "user": (["a", "", "b"], "'user' holds an empty text in row 2"),
    "user ": ([1, [2], 3], "'user' holds the list [2] in row 2"),
    "item": ([{"id": 1}, "a", "b"], "'item' holds the dict {'id': 1} in row 1"),
    "item ": (["a", ("a", 1), "b"], "'item' holds the tuple ('a', 1) in row 2"),
}


@pytest.mark.parametrize("role", NO_VALUES)
def test_a_value_that_is_none_is_told_by_its_row(role, tmp_path):
    values, said = NO_VALUES[role]
    role = role.strip()
    rows = pd.DataFrame({"user": [1, 2, 3], "item": [3, 4, 5]}).astype(object)
    rows[role] = pd.Series(values, dtype=object)
    more = {role: role} if role in ("timestamp", "weight") else {}
    with pytest.raises(InputError) as refused:
        Interactions.from_frame(rows, **more)
    assert said in str(refused.value)


def test_objects_of_json_are_no_ids(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"user": {"id": 1}, "item": 2}\n{"user": 3, "item": 4}\n')
    with pytest.raises(InputError, match=r"x\.jsonl: column 'user' holds the dict .* in row 1"):
        read_interactions(tmp_path / "x.jsonl")


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_an_empty_text_in_a_table_is_no_id(kind, tmp_path):
    rows = pd.DataFrame({"user": ["a", "", "b"], "item": [1, 2, 3]})
    getattr(rows, f"to_{kind}")(tmp_path / f"x.{kind}")
    with pytest.raises(InputError, match="'user' holds an empty text in row 2"):
        read_interactions(tmp_path / f"x.{kind}")


REMEDIES = {
    "7,8,5\n9,8,4\n": "if the first line is no header, write one above it",
    "user item\n1 2\n": "say with --separator what parts the columns",
}


@pytest.mark.parametrize("text", REMEDIES)
def test_a_header_that_is_not_found_has_a_remedy(text, tmp_path):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=REMEDIES[text]):
        read_interactions(tmp_path / "x.csv")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_an_encoding_is_found_without_its_mark(encoding, tmp_path):
    (tmp_path / "x.csv").write_bytes("user,item\n1,2\n2,3\n".encode(encoding))
    assert read_interactions(tmp_path / "x.csv").to_frame().values.tolist() == [[1, 2], [2, 3]]


def test_a_dash_is_no_file():
    with pytest.raises(InputError, match="- names no file"):
        files.need_place("-")


def test_a_time_beyond_all_clocks_is_refused(tmp_path: Path):
    path = tmp_path / "late.csv"
    path.write_text("user,item,timestamp\na,x,9223372036854775808\na,y,2\nb,x,3\n")  # 2^63
    with pytest.raises(InputError, match="neither a number nor a date"):
        read_interactions(path)


@pytest.mark.parametrize("encoding", ["base64", "rot13", "hex", "undefined", "utf-16", "punycode"])
def test_what_is_no_encoding_of_the_file_is_refused(tmp_path: Path, encoding: str):
    path = tmp_path / "own.csv"
    path.write_text("user,item\na,x\na,y\nb,x\n")
    with pytest.raises(InputError, match=r"no encoding|not written in"):
        read_interactions(path, encoding=encoding)


def test_times_of_nanoseconds_without_a_sign_keep_their_last_figures(tmp_path: Path):
    times = np.array([1_700_000_000_000_000_001, 1_700_000_000_000_000_002, 3], np.uint64)
    pd.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"], "timestamp": times}).to_parquet(
        tmp_path / "u.parquet"
    )
    assert read_interactions(tmp_path / "u.parquet").timestamps.tolist() == times.tolist()
