"""Files are read by lines where each line is a row, and to the same end as any other file."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deca_nb import files
from deca_nb.files import InputError, read_columns, read_frame, read_header, read_plain_rows
from deca_nb.interactions import read_interactions

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
