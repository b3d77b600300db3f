"""Mistakes in the input and interruptions.

Each gives one clear line that names the remedy, exit code 2, and nothing lost.

Most commands run in this process, since a fresh one takes longer to start than to work; the last section runs
the real thing.
"""

import gzip
import io
import json
import os
import pickle
import pty
import re
import shlex
import subprocess
import sys
import termios
import warnings
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
from pandas.testing import assert_frame_equal

import deca_nb
from deca_nb import cli, explore
from deca_nb.explorer import train_world
from deca_nb.export import score_interactions
from deca_nb.interactions import InputError, Interactions, read_interactions, read_split
from deca_nb.rankers import BESIDE
from deca_nb.recommender import Recommender
from deca_nb.worlds import World


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def complaints(self) -> list[str]:
        """The lines on standard error, less the two that typer prints before its own complaint."""
        return [line for line in self.err.splitlines() if line and not line.startswith(("Usage: ", "Try '"))]


@pytest.fixture
def deca(tmp_path, monkeypatch):
    """The command, called within this process, in the test's own folder."""

    def call(line: str) -> Done:
        out, err, code = io.StringIO(), io.StringIO(), 0
        monkeypatch.setattr(sys, "argv", ["deca", *shlex.split(line)])
        with (
            redirect_stdout(out),
            redirect_stderr(err),
            chdir(tmp_path),
            warnings.catch_warnings(record=True) as warned,
        ):
            try:
                cli.main()
            except SystemExit as stop:
                code = stop.code or 0
        return Done(
            code,
            out.getvalue(),
            err.getvalue()
            + "".join(f"{warning.category.__name__}: {warning.message}\n" for warning in warned),
        )

    return call


REMEDY = re.compile(
    r"\b(give|choose|check|name|keep|write|train|fill|mend|raise|get|set|must be)\b", re.IGNORECASE
)


def assert_refused(done: Done, *words: str):
    """One line, with these words and a remedy (typer's own complaints point at --help instead)."""
    assert done.code == 2
    assert "Traceback" not in done.err
    assert len(done.complaints()) == 1, done.err
    line = done.complaints()[0]
    assert REMEDY.search(line.removeprefix("deca: ")) or "--help' for help" in done.err, line
    assert [word for word in words if word not in line] == [], line


def clicks() -> pd.DataFrame:
    """Enough interactions to train on, with ratings and times."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"user": rng.integers(0, 20, 400), "item": rng.integers(0, 30, 400)}
    ).drop_duplicates(ignore_index=True)
    return frame.assign(rating=rng.integers(1, 6, len(frame)), timestamp=rng.integers(0, 1000, len(frame)))


@pytest.fixture
def own_file(tmp_path) -> Path:
    """clicks.csv."""
    clicks().to_csv(tmp_path / "clicks.csv", index=False)
    return tmp_path / "clicks.csv"


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory) -> Path:
    """What `deca train` saves."""
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patched, chdir(folder):
        patched.setattr(
            sys, "argv", shlex.split("deca train --data world --method Normal --epochs 1 --out model")
        )
        with suppress(SystemExit):
            cli.main()
    return folder / "model"


@pytest.fixture
def saved(saved_once, tmp_path) -> Path:
    """A copy of it in the test's own folder, as `model`."""
    (tmp_path / "model").mkdir()
    for path in saved_once.iterdir():
        (tmp_path / "model" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "model"


# A file that cannot be used.

FILES = {
    "missing column": (
        "x.csv",
        b"user,rating\n1,2\n3,4\n",
        ["there is no column 'item'", "user, rating", "--item"],
    ),
    "other separator": (
        "x.csv",
        b"user~item\n1~2\n3~4\n",
        ["there is no column 'user'", "user~item", "--user"],
    ),
    "empty": ("x.csv", b"", ["is empty"]),
    "empty gz": ("x.csv.gz", b"", ["is empty"]),
    "header only": ("x.csv", b"user,item,rating\n", ["no rows"]),
    "no user": ("x.csv", b"user,item\n1,2\n,3\n4,5\n", ["'user'", "row 2", "drop"]),
    "no item": ("x.csv", b"user,item\n1,2\n3,4\n5,\n", ["'item'", "row 3", "drop"]),
    "one user": ("x.csv", b"user,item\n1,2\n1,3\n", ["'user'", "single user (1)"]),
    "one item": ("x.csv", b"user,item\n1,2\n3,2\n", ["'item'", "single item (2)"]),
    "rating as text": ("x.csv", b"user,item,rating\n1,2,good\n2,3,4\n", ["'rating'", "'good' in row 1"]),
    "bad time": (
        "x.csv",
        b"user,item,timestamp\n1,2,3\n2,3,yesterday\n",
        ["'timestamp'", "'yesterday' in row 2"],
    ),
    "bad first time": (
        "x.csv",
        b"user,item,timestamp\n1,2,yesterday\n2,3,4\n",
        ["'timestamp'", "'yesterday' in row 1"],
    ),
    "more fields than columns": ("x.csv", b"user,item\n1,2,9\n4,5,8\n", []),
    "binary": ("x.csv", bytes(range(256)) * 20, ["not readable as .csv"]),
    "open quote": ("x.csv", b'user,item\n"1,2\n3,4\n', ["line 2 a quotation mark is not closed"]),
    "damaged parquet": ("x.parquet", b"PAR1 and no more", ["not readable as .parquet"]),
    "no gz": ("x.csv.gz", b"plain", ["not readable as .csv"]),
    "cut gz": ("x.tsv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab", ["not readable as .tsv"]),
    "one column twice": ("x.csv", b"user,item,user\n1,2,3\n4,5,6\n", ["several columns 'user'", "keep one"]),
    "one typed column twice": (
        "x.INTER",
        b"user_id:token\titem_id:token\tuser_id:float\n1\t2\t3\n4\t5\t6\n",
        ["several columns 'user_id'"],
    ),
    "other format": ("x.doc", b"PK", ["'.doc'", ".parquet"]),
}


ADDED = ["real_positive_probability", "weight", "doubted"]  # by denoise
UNREAD = ["bad time", "bad first time"]  # in a column that denoise keeps and never looks at


@pytest.mark.parametrize("fault", FILES)
def test_a_file_that_cannot_be_used(fault, deca, tmp_path):
    name, content, words = FILES[fault]
    (tmp_path / name).write_bytes(content)
    assert_refused(deca(f"audit --data {name}"), name, *words)
    if fault not in UNREAD:
        assert_refused(deca(f"denoise {name} --folds 0 --epochs 1 --out scored.csv"), name, *words)
        assert not (tmp_path / "scored.csv").exists()


@pytest.mark.parametrize("fault", UNREAD)
def test_denoise_keeps_what_it_does_not_read(fault, deca, tmp_path):
    name, content, _ = FILES[fault]
    (tmp_path / name).write_bytes(content)
    assert deca(f"denoise {name} --folds 0 --epochs 1 --out scored.csv").code == 0
    kept = as_text(tmp_path / "scored.csv").drop(columns=ADDED)
    assert kept.to_csv(index=False, lineterminator="\n").encode() == content


def test_missing_ids_in_parquet(deca, tmp_path):
    pd.DataFrame({"user": [1, 2], "item": [3.0, np.nan]}).to_parquet(tmp_path / "x.parquet")
    assert_refused(deca("audit --data x.parquet"), "x.parquet", "'item'", "row 2")


def test_missing_times_in_parquet(deca, tmp_path):
    clicks().assign(
        timestamp=lambda frame: pd.to_datetime(frame["timestamp"], unit="D").where(frame.index != 6)
    ).to_parquet(tmp_path / "x.parquet")
    assert_refused(deca("audit --data x.parquet"), "x.parquet", "'timestamp'", "row 7")


# An option that cannot be used.

OPTIONS = {
    "compare --data world --method DeCAf": ["no method 'DeCAf'", "DeCA(p)"],
    "compare --data world --methods Normal,DeCAf": ["no method 'DeCAf'", "DeCA(p)"],
    "compare --data world --model SVD": ["no model 'SVD'", "LightGCN"],
    "compare --data worlds": ["no data 'worlds'", "movielens-100k"],
    "compare --data nowhere.csv": ["nowhere.csv", "check the path"],
    "compare --data world --ties best": ["no tie policy 'best'", "expected"],
    "compare --data world --protocol fast": ["no protocol 'fast'", "paper"],
    "compare --data movielens-100k --protocol paper": ["authors:ml-100k"],
    "compare --data world --k five": ["--k 'five'", "5,20"],
    "compare --data world --k 0": ["k", "whole numbers from 1"],
    "audit --data world --k -3": ["k", "whole numbers from 1"],
    "audit --data world --k 99999999999999999999": ["k"],
    "compare --data world --seeds 0": ["--seeds 0"],
    "compare --data world --seeds x": ["--seeds"],
    "audit --data world --full --seeds 0": ["--seeds 0"],
    "audit --data world --full --jobs 0": ["--jobs 0"],
    "reproduce table2 --data world --jobs many": ["--jobs many", "or ray"],
    "audit --data world --full --protocol paper": ["protocol paper", "--protocol clean"],
    "audit --data clicks.csv --user item": ["'item' cannot be both the user and the item", "item=..."],
    "reproduce recovery --seeds -1": ["--seeds -1"],
    "reproduce table2 --data world --epochs -3": ["--epochs -3"],
    "reproduce table2 --data world --ties random": ["'random'", "lowest-id and expected"],
    'audit --data "world:{noise}"': ["world:{noise}", "no parameters of a world"],
    """audit --data 'world:{"foo": 1}'""": ["no parameters of a world", "foo"],
    """audit --data 'world:{"noise": "much"}'""": ["noise='much'", "give a number"],
    "compare --data world --alpha 2": ["alpha=2.0", "between 0 and 1"],
    "compare --data world --c1 nan": ["c1=nan"],
    "compare --data world --epochs 0": ["epochs=0", "from 1"],
    "compare --data world --batch-size 0": ["batch_size=0", "from 1"],
    "compare --data world --learning-rate 0": ["learning_rate=0", "above 0"],
    "compare --data world --h-model CDAE": ["h_model='CDAE'", "GMF"],
    "compare --data world --device tpu": ["no device 'tpu'", "cpu"],
    "compare --data world --nonsense 3": ["--nonsense"],
    "train --data world --method Normal --c1 3 --out m": ["--c1", "no number of Normal", "DeCA"],
    "denoise clicks.csv --method WBPR --drop-rate 0.1 --out x.csv": [
        "--drop-rate",
        "no number of WBPR",
        "T-CE",
    ],
    "compare --data world --methods Normal,T-CE --c1 3": ["--c1", "no number of Normal, T-CE", "DeCA"],
    "compare --data world --methods MostPopular --epochs 3": [
        "--epochs",
        "no number of MostPopular",
        "Normal",
    ],
    "compare --data world --model MF --n-layers 2": ["--n-layers", "with MF", "LightGCN"],
    "compare --data world --metrics coverage": ["no metric 'coverage' of a user", "precision"],
    "compare --data world --metrics mine.py:mine": ["mine.py", "no such file", "check the path"],
    "train --data world --method mine.py:Mine --out m": ["mine.py", "no such file", "check the path"],
    "denoise clicks.csv --method EASE --out scored.csv": ["EASE is a ranker", "training method"],
    "reproduce table2 --data world --scores rank": ["no scores 'rank'", "probability"],
    "nonsense": ["'nonsense'"],
    "train --data world": ["--out"],
    "train --data world --epochs 1 --out m --k 0": ["k", "whole numbers from 1"],
    "train --data world --epochs 1 --out m --seed 99999999999999999999999": ["seed"],
    "train --data clicks.csv --out m --valid clicks.csv": ["--valid and --test"],
    "train --data clicks.csv --out m --test clicks.csv": ["--valid and --test"],
    "train --data clicks.csv --out m --split newest": ["no split 'newest'", "chronological"],
    "train --data clicks.csv --out m --timestamp when": ["clicks.csv", "'when'", "--timestamp"],
    "train --data clicks.csv --out m --rating stars": ["clicks.csv", "'stars'", "--rating"],
    "train --data clicks.csv --out m --items nowhere.csv": ["nowhere.csv", "check the path"],
    "train --data clicks.csv --out m --liked 9": ["0 pairs of truth", "--liked"],
    "train --data clicks.csv --out clicks.csv --epochs 1": ["clicks.csv"],
    "train --data clicks.csv --out clicks.csv/model --epochs 1": ["clicks.csv/model"],
    "compare --data world --methods Normal --epochs 1 --out clicks.csv/model": ["clicks.csv/model"],
    "compare --data world --methods Normal --epochs 1 --json clicks.csv/x.json": ["clicks.csv/x.json"],
    "audit --data world --json clicks.csv/x.json": ["clicks.csv/x.json"],
    "denoise clicks.csv --folds 0 --epochs 1 --out clicks.csv/x.csv": ["clicks.csv/x.csv"],
    "denoise clicks.csv --out x.xlsx": ["x.xlsx", ".parquet"],
    "denoise clicks.csv --out x.csv --drop 1": ["--drop 1.0", "below 1"],
    "denoise clicks.csv --out x.csv --drop -0.1": ["--drop -0.1", "from 0"],
    "denoise clicks.csv --out x.csv --user who": ["clicks.csv", "'who'", "--user"],
    "denoise clicks.csv --out x.csv --rating stars": ["clicks.csv", "'stars'", "--rating"],
    "denoise clicks.csv --out x.csv --learning-rate 1e30": ["gave NaN", "smaller learning rate"],
    "denoise nowhere.csv --out x.csv": ["nowhere.csv", "check the path"],
    "denoise clicks.csv --out x.csv --method WBPRs": ["no method 'WBPRs'", "DeCA(p)"],
    "explore": ["--out"],
    "explore --data world --out page": ["page", ".html"],
    "explore --data world --out clicks.csv": ["clicks.csv", ".html"],
    "explore --data world --out clicks.csv/page.html": ["clicks.csv/page.html"],
    "explore --data nowhere.csv --out page.html": ["nowhere.csv", "check the path"],
    "explore --data world --out page.html --users 1,nobody": ["'nobody'", "training", "for example"],
    "explore --data world --out page.html --users ,": ["--users"],
    "explore --data world --out page.html --surface nowhere.csv": ["nowhere.csv", "check the path"],
    "explore --data world --out page.html --epochs 0": ["epochs=0", "from 1"],
    "explore --data world --out page.html --model SVD": ["no model 'SVD'", "LightGCN"],
    "recommend nowhere --users 1": ["nowhere", "recommender.json"],
    "evaluate clicks.csv": ["clicks.csv", "recommender.json"],
}


@pytest.mark.parametrize("line", OPTIONS)
def test_an_option_that_cannot_be_used(line, deca, own_file):
    before = own_file.read_bytes()
    assert_refused(deca(line), *OPTIONS[line])
    assert own_file.read_bytes() == before
    assert [path.name for path in own_file.parent.iterdir()] == [own_file.name], "something was left behind"


CELLS = [f"world,GMF,DeCA,{c1},{c2},recall@20,.3,.2,.4," for c1 in (1, 10) for c2 in (1, 10)]
HEADER = "data,model,method,c1,c2,metric,mean,low,high,published"
SURFACES = {
    "empty": (b"", ["is empty"]),
    "binary": (bytes(range(256)) * 20, ["not readable"]),
    "other columns": (b"user,item\n1,2\n", ["no column data", "published"]),
    "no rows": (f"{HEADER}\n".encode(), ["no rows"]),
    "a cell twice": ("\n".join([HEADER, *CELLS, CELLS[0]]).encode(), ["two rows for one cell"]),
    "text for a number": ("\n".join([HEADER, CELLS[0].replace(".3", "good")]).encode(), ["'mean'", "number"]),
    "no number": ("\n".join([HEADER, CELLS[0].replace(".3", "")]).encode(), ["'mean'", "number"]),
    "endless": ("\n".join([HEADER, CELLS[0].replace(".3", "inf")]).encode(), ["'mean'", "number"]),
    "half an interval": ("\n".join([HEADER, CELLS[0].replace(",.4,", ",,")]).encode(), ["'high'", "number"]),
    "text for the paper's": ("\n".join([HEADER, CELLS[0] + "good"]).encode(), ["'published'", "number"]),
}


@pytest.mark.parametrize("fault", SURFACES)
def test_a_surface_that_cannot_be_used(fault, deca, tmp_path):
    content, words = SURFACES[fault]
    (tmp_path / "surface.csv").write_bytes(content)
    done = deca("explore --data world --out page.html --surface surface.csv")
    assert done.code == 2 and len(done.complaints()) == 1, done.err
    assert [word for word in ["surface.csv", *words] if word not in done.err] == [], done.err
    assert not (tmp_path / "page.html").exists()


OF_A_MODEL = [
    "recommend model --users 1 --k 0",
    "recommend model --users 1 --k -2",
    "recommend model --users ''",
]
OF_A_MODEL += ["evaluate model --k x", "evaluate model --k 0", "evaluate model --ties best"]


@pytest.mark.parametrize("line", OF_A_MODEL)
def test_an_option_that_a_saved_model_cannot_use(line, deca, saved):
    assert_refused(deca(line))


def test_the_authors_files_are_not_to_be_had(deca, monkeypatch):
    monkeypatch.delenv("DECA_DATA", raising=False)
    assert_refused(
        deca("audit --data authors:ml-100k"), "ml-100k", "github.com/wangyu-ustc/DeCA", "DECA_DATA"
    )


def test_the_authors_files_lack_one(deca, tmp_path, monkeypatch):
    monkeypatch.setenv("DECA_DATA", str(tmp_path))
    assert_refused(
        deca("audit --data authors:ml-100k"), "ml-100k.train.rating", "github.com/wangyu-ustc/DeCA"
    )
    assert_refused(deca("audit --data authors:ml-1m"), "no data set 'ml-1m'", "modcloth")


PYTHON = {
    "a part of an epoch": dict(epochs=1.5),
    "a part of a batch": dict(batch_size=2.5),
    "a seed in words": dict(seed="one"),
    "rows of a graph": dict(model="LightGCN", optimiser="row-sparse"),
    "another method": dict(method="DeCAf"),
    "another optimiser": dict(optimiser="SGD"),
    "epochs in words": dict(epochs="many"),
    "less than no factor": dict(embedding_dim=-1),
    "no factor": dict(embedding_dim=0),
    "factors in words": dict(embedding_dim="a"),
    "less than no layer": dict(model="LightGCN", n_layers=-1),
    "nothing left of a row": dict(model="CDAE", corruption=1.0),
    "a liking in words": dict(liked="many"),
}


@pytest.mark.parametrize("mistake", PYTHON)
def test_a_recommender_that_cannot_be_made(mistake):
    train = World(n_users=40, n_items=30).sample().train
    with pytest.raises(InputError):
        Recommender(**PYTHON[mistake]).fit(train)


@pytest.mark.parametrize("k", [-1, 2.5, None])
def test_a_length_that_cannot_be_used(k):
    split = World(n_users=40, n_items=30).sample()
    trained = Recommender("CDAE", "Normal", epochs=1).fit(split.train)
    with pytest.raises(InputError):
        trained.recommend_for([1], k=k)
    if k is not None:
        with pytest.raises(InputError):
            trained.evaluate(split, k=k)


def test_scores_take_no_column_of_the_users(deca, tmp_path):
    clicks().assign(weight=3).to_csv(tmp_path / "x.csv", index=False)
    assert_refused(
        deca("denoise x.csv --folds 0 --epochs 1 --out scored.csv"), "'weight' already", "another name"
    )
    with pytest.raises(InputError, match="'doubted' already"):
        split = World(n_users=40, n_items=30).sample()
        score_interactions(
            Recommender("MF", "Normal", epochs=1).fit(split.train), split.train.to_frame().assign(doubted=0)
        )


@pytest.mark.parametrize(("kind", "what"), [("csv", "carriage return"), ("tsv", "tab or line break")])
def test_a_carriage_return_is_not_written_into_lines(kind, what, deca, tmp_path):
    clicks().assign(note="plain").pipe(
        lambda frame: frame.assign(note=frame["note"].where(frame.index != 4, "a\rb"))
    ).to_parquet(tmp_path / "x.parquet")
    assert_refused(
        deca(f"denoise x.parquet --folds 0 --epochs 1 --out scored.{kind}"), f"'note' holds a {what} in row 5"
    )
    assert deca("denoise x.parquet --folds 0 --epochs 1 --out scored.parquet").code == 0


def test_titles_that_belong_to_nothing(deca, own_file, tmp_path):
    (tmp_path / "titles.csv").write_text("title,item\nAlien,x1\nBrazil,x2\n")
    assert_refused(
        deca("audit --data clicks.csv --items titles.csv"),
        "titles.csv",
        "'item' holds none of the items",
        "--item",
    )
    (tmp_path / "titles.csv").write_text("title,item\nAlien,1\nBrazil,2\n")
    clicks().rename(columns={"item": "sku"}).to_csv(tmp_path / "sku.csv", index=False)
    assert (
        read_split(tmp_path / "sku.csv", item="sku", items=tmp_path / "titles.csv").train.titles[1] == "Alien"
    )


def test_damaged_gzip(tmp_path):
    whole = gzip.compress(clicks().to_csv(index=False).encode(), mtime=0)
    for at in range(10, len(whole) - 8, 40):
        (tmp_path / "x.csv.gz").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with suppress(InputError):
            read_interactions(tmp_path / "x.csv.gz")


def test_a_refit_that_fails_leaves_nothing_behind():
    split = World(n_users=40, n_items=30, noise=0.05).sample()
    trained = Recommender("MF", "Oracle", epochs=1).fit(split.train)
    with pytest.raises(InputError, match="which clicks were meant"):
        trained.fit(replace(split.train, noise=None))
    with pytest.raises(InputError, match="has not been fitted"):
        trained.recommend([1])


def test_what_is_known_from_validation_alone_is_left_out():
    train = pd.DataFrame({"user": [1, 1, 1, 2, 2, 3], "item": [1, 2, 4, 1, 4, 1]})
    valid = pd.DataFrame({"user": [4, 4, 1], "item": [1, 4, 3]})
    trained = Recommender("MF", "Normal", epochs=1).fit(
        *(Interactions.from_frame(frame) for frame in (train, valid))
    )
    with (
        pytest.warns(UserWarning, match="2 of 3 users"),
        pytest.warns(UserWarning, match="1 of 3 users have"),
    ):
        found = trained.recommend([4, 1, "nobody"], k=4)
    lists = found.groupby("user", sort=False)["item"].agg(list).to_dict()
    assert 1 not in lists  # who has everything
    assert lists["nobody"] == [1, 4, 2, 3] and lists[4] == [2, 3]  # ties by lowest id


def test_version(deca):
    assert deca("--version").out.strip() == deca_nb.__version__


def test_methods_without_curves(deca, tmp_path):
    done = deca("compare --data world --methods Ensemble --epochs 1 --out o")
    assert done.code == 0 and "no learning curves" in done.err
    assert {path.name for path in (tmp_path / "o").iterdir()} == {
        "comparison.txt",
        "comparison.json",
        "recipe.toml",
    }
    assert deca("compare --data world --methods Normal,Ensemble --epochs 1 --out o").code == 0
    assert (tmp_path / "o" / "learning-curves.svg").is_file()


def test_a_world_without_noise_is_not_explored():
    with pytest.raises(InputError, match="noise above 0"):
        train_world({"noise": 0.0})


# A saved recommender that is damaged, or not ours.


def test_an_oracle_is_loaded_again(deca, tmp_path):
    assert deca("train --data world --method Oracle --epochs 1 --out om").code == 0
    assert deca("recommend om --users 1").code == 0 and deca("evaluate om").code == 0


def test_damaged_tensors(deca, saved):
    tensors = next(saved.glob("*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:100])
    assert_refused(deca("recommend model --users 1"), "model", "damaged", "train it again")


def test_missing_tensors(deca, saved):
    next(saved.glob("*.safetensors")).unlink()
    assert_refused(deca("recommend model --users 1"), "model", "damaged", "train it again")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"text"',
        "{}",
        '{"format": "deca_nb recommender 2"}',
        '{"format": "deca_nb recommender 999"}',
    ],
)
def test_damaged_description(text, deca, saved):
    (saved / "recommender.json").write_text(text)
    assert_refused(deca("recommend model --users 1"), "model", "train")


class Bomb:
    """Makes a file as soon as it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (self.path.touch, ())


def test_no_pickle_is_executed(deca, saved, tmp_path):
    bomb, marker = pickle.dumps(Bomb(tmp_path / "marker")), tmp_path / "marker"
    pickle.loads(bomb)
    assert marker.exists(), "the bomb itself works"
    marker.unlink()
    next(saved.glob("*.safetensors")).write_bytes(bomb)
    assert_refused(deca("recommend model --users 1"), "model", "damaged")
    (saved / "recommender.json").write_bytes(bomb)
    assert_refused(deca("recommend model --users 1"), "model", "damaged")
    assert not marker.exists()


def test_numbers_out_of_numpy_are_saved(tmp_path):
    split = World(n_users=40, n_items=30).sample()
    made = Recommender(
        "MF", "Normal", epochs=np.int64(1), seed=np.int64(3), l2=np.float32(0.5), embedding_dim=np.int64(4)
    )
    made.fit(split.train, split.valid)
    made.save(tmp_path / "model")
    assert_frame_equal(
        Recommender.load(tmp_path / "model").recommend([1], 3), made.recommend([1], np.int64(3))
    )


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError):
        Recommender("MF", "Normal", epochs=1).fit(World(n_users=40, n_items=30).sample().train).save(tmp_path)


# An interruption loses nothing that was there.


def fail_at(monkeypatch, owner, name: str, error: BaseException, call: int = 1):
    """The n-th call of that function raises."""
    real, calls = getattr(owner, name), []

    def replaced(*args, **kwargs):
        calls.append(name)
        if len(calls) == call:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, replaced)


MOMENTS = {
    "no tensors yet": (safetensors.torch, "save", 1),
    "tensors not in place": (os, "replace", 1),
    "no description yet": (json, "dumps", 1),
    "description not in place": (os, "replace", 2),
    "old tensors still there": (Path, "unlink", 3),
}


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "stopped"]
)
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_save_leaves_a_recommender(moment, error, saved, monkeypatch):
    before = Recommender.load(saved).recommend([1], 5)
    split = World().sample()
    after = Recommender("GMF", "Normal", epochs=2, seed=1).fit(split.train, split.valid)
    owner, name, call = MOMENTS[moment]
    with monkeypatch.context() as patched:
        fail_at(patched, owner, name, error, call)
        with pytest.raises((InputError, type(error))):
            after.save(saved)
    left = Recommender.load(saved).recommend([1], 5)
    assert left.equals(after.recommend([1], 5) if moment == "old tensors still there" else before)
    after.save(saved)
    assert Recommender.load(saved).recommend([1], 5).equals(after.recommend([1], 5))
    assert len(list(saved.glob("*tensors*"))) == 1, "the next save clears up"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "stopped"]
)
@pytest.mark.parametrize(
    ("suffix", "writer"),
    [("csv", "to_csv"), ("tsv", "to_csv"), ("parquet", "to_parquet"), ("inter", "to_csv")],
)
def test_an_interrupted_denoise_leaves_the_old_file(suffix, writer, error, deca, own_file, monkeypatch):
    old = own_file.parent / f"scored.{suffix}"
    old.write_bytes(b"old")

    def half(frame, path, **how):
        Path(path).write_bytes(b"half")
        raise error

    monkeypatch.setattr(pd.DataFrame, writer, half)
    assert deca(f"denoise clicks.csv --folds 0 --epochs 1 --out scored.{suffix}").code != 0
    assert old.read_bytes() == b"old"
    assert sorted(path.name for path in own_file.parent.iterdir()) == sorted([own_file.name, old.name])


# What denoise says and refuses.


@pytest.fixture
def alike(monkeypatch):
    """Every score is one half."""
    monkeypatch.setattr(
        Recommender, "real_positive_probability", lambda self, pairs: pd.Series(np.full(len(pairs), 0.5))
    )


def test_denoise_does_not_choose_among_equal_scores(alike, deca, own_file):
    assert_refused(
        deca("denoise clicks.csv --folds 0 --epochs 1 --method Normal --out scored.csv --drop 0.1"),
        "--drop 0.1",
        "100%",
        "equal scores",
    )
    assert not (own_file.parent / "scored.csv").exists()


def test_denoise_says_when_the_scores_say_nothing(alike, deca, own_file):
    done = deca("denoise clicks.csv --folds 0 --epochs 1 --method Normal --out scored.csv")
    assert done.code == 0 and "hardly differ" in done.out and "100% of the scores equal" in done.out
    assert (pd.read_csv(own_file.parent / "scored.csv")["weight"] == 1).all()


def test_denoise_shows_what_each_cut_would_drop(deca, own_file):
    frame = clicks()
    done = deca("denoise clicks.csv --folds 0 --epochs 2 --out scored.csv")
    scored = pd.read_csv(own_file.parent / "scored.csv")
    lines = {line.split()[0]: line.split() for line in done.out.splitlines() if re.match(r"\d+% ", line)}
    assert list(lines) == ["1%", "2%", "5%", "10%", "20%"]
    for share, line in lines.items():
        out = scored["real_positive_probability"].rank(method="first") <= int(share[:-1]) * len(frame) // 100
        assert int(line[2]) == out.sum() and float(line[-1]) == pytest.approx(
            (frame["rating"][out] < 3).mean(), abs=1e-3
        )
    assert (
        f"doubts {len(frame) // 20} of {len(frame)}" in done.out
        and scored["doubted"].sum() == len(frame) // 20
    )
    assert f"{(frame['rating'] < 3).mean():.1%} of them rated below 3" in done.out


@pytest.mark.parametrize("drop", [0, 0.05, 0.5])
def test_denoise_leaves_out_the_lowest(drop, deca, own_file):
    assert deca("denoise clicks.csv --folds 0 --epochs 2 --out all.csv").code == 0
    assert deca(f"denoise clicks.csv --folds 0 --epochs 2 --out kept.csv --drop {drop}").code == 0
    everything, kept = (pd.read_csv(own_file.parent / name) for name in ("all.csv", "kept.csv"))
    stays = everything["real_positive_probability"].rank(method="first") > int(drop * len(everything))
    assert_frame_equal(
        kept.drop(columns="doubted"), everything[stays].drop(columns="doubted").reset_index(drop=True)
    )
    assert not kept["doubted"].any()


def test_what_an_inter_file_cannot_hold_is_found_before_training(deca, tmp_path, monkeypatch):
    monkeypatch.setattr(Recommender, "fit", None)
    clicks().assign(note="a\tb").to_csv(tmp_path / "tab.csv", index=False)
    clicks().rename(columns={"rating": "my rating"}).to_csv(tmp_path / "blank.csv", index=False)
    assert_refused(deca("denoise tab.csv --out scored.inter"), "'note'", "tab")
    assert_refused(deca("denoise blank.csv --out scored.inter"), "'my rating'")


# What explore writes.


def parts_of(page: Path) -> list[dict]:
    """The state of each drawing of a page."""
    return [
        part["state"]
        for part in json.loads(page.read_text(encoding="utf-8").split('id="parts">')[1].split("</script>")[0])
    ]


def test_explore_writes_every_part(deca, own_file):
    folder = own_file.parent
    (folder / "surface.csv").write_text("\n".join([HEADER, *CELLS]))
    done = deca("explore --data clicks.csv --epochs 2 --users 3,7 --surface surface.csv --out deep/page.html")
    assert (
        done.code == 0
        and "wrote deep/page.html" in done.out
        and "2 users of clicks.csv" in done.out
        and "make lab" in done.out
    )
    pair, surface, curves, lists, noise, answers = parts_of(folder / "deep" / "page.html")
    assert pair["c1"] == 10 and len(surface["rows"]) == 4 and len(curves["runs"]) == 3
    assert noise["noise"] == 0.05 and len(noise["logits"]) == 64
    assert answers["users"] == ["3", "7"] and answers["steps"][0]["answers"] == 0
    assert list(lists["tables"]) == ["3", "7"] and lists["user"] == "3"
    seen = clicks().query("user == 3")["item"].astype(str)
    assert set(pd.DataFrame(lists["tables"]["3"][0]["rows"])[0]) <= set(seen)
    assert "http" not in (folder / "deep" / "page.html").read_text().replace("http://www.w3.org/2000/svg", "")


def test_explore_chooses_users_from_few_clicks_to_many(deca, tmp_path, monkeypatch):
    monkeypatch.setattr(
        explore, "small_worlds", lambda: [{"name": "none", "epochs": 0, "levels": {}, "curves": {}}]
    )
    frame = pd.DataFrame(
        [(f"user {u:02d}", f"song {i}", t) for u in range(30) for t, i in enumerate(range(u, u + 5 + u))],
        columns=["user", "item", "timestamp"],
    )
    frame.to_csv(tmp_path / "clicks.csv", index=False)
    assert deca("explore --data clicks.csv --epochs 1 --out page.html").code == 0
    users = list(parts_of(tmp_path / "page.html")[-2]["tables"])
    assert users == sorted(users) and len(users) == 12 and (users[0], users[-1]) == ("user 00", "user 29")


# A file of one's own comes back as it was.

IDS = {
    "integers": lambda n: [str(i) for i in n],
    "leading zeros": lambda n: [f"{i:03d}" for i in n],
    "text": lambda n: [f"song {i}" for i in n],
    "spaces around": lambda n: [f" {i} x " for i in n],
    "unicode": lambda n: [f"Ænima – {chr(0x4E00 + i)}, “{i}”\u00a0😀" for i in n],
    "mixed": lambda n: [str(i) if i % 2 else f"x{i}" for i in n],
    "longer than 64 bits": lambda n: [str(10**20 + i) for i in n],
}
WRITE = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "parquet": lambda frame, path: frame.to_parquet(path, index=False),
    "inter": lambda frame, path: frame.rename(columns={"user": "user:token", "item": "item:token"}).to_csv(
        path, index=False, sep="\t"
    ),
    "inter.gz": lambda frame, path: frame.rename(columns={"user": "user:token", "item": "item:token"}).to_csv(
        path, index=False, sep="\t"
    ),
}


def as_text(path: Path) -> pd.DataFrame:
    """A text file, or a Parquet file, with every value as it is written."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path).astype(str)
    return pd.read_csv(path, sep="," if path.suffix == ".csv" else "\t", dtype=str, keep_default_na=False)


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize(
    ("suffix", "out"), list(zip(WRITE, ["csv", "parquet", "tsv", "parquet", "csv", "tsv"], strict=True))
)
def test_denoise_keeps_ids_rows_and_columns(suffix, out, ids, deca, tmp_path):
    frame = clicks()[["user", "item"]].assign(shop="north", amount=lambda frame: frame["user"] / 4)[
        ["shop", "user", "amount", "item"]
    ]
    frame = frame.assign(user=IDS[ids](frame["user"]), item=IDS[ids](frame["item"]))
    WRITE[suffix](frame, tmp_path / f"clicks.{suffix}")
    done = deca(f"denoise clicks.{suffix} --folds 0 --epochs 1 --method Normal --out scored.{out}")
    assert done.code == 0, done.err
    scored = as_text(tmp_path / f"scored.{out}")
    assert list(scored) == [*frame, *ADDED]
    assert scored[list(frame)].values.tolist() == frame.astype(str).values.tolist()
    assert scored["real_positive_probability"].astype(float).between(0, 1).all()


def test_denoise_leaves_other_columns_as_they_are_written(deca, tmp_path):
    frame = clicks()[["user", "item"]].astype(str)
    frame["postcode"], frame["state"], frame["price"] = (
        frame["user"].str.zfill(5),
        "NA",
        frame["item"] + ".50",
    )
    frame["note"] = np.where(np.arange(len(frame)) % 3, "7", "")
    frame.to_csv(tmp_path / "clicks.csv", index=False)
    assert deca("denoise clicks.csv --folds 0 --epochs 1 --method Normal --out scored.csv").code == 0
    assert as_text(tmp_path / "scored.csv")[list(frame)].to_dict("list") == frame.to_dict("list")


@pytest.mark.parametrize("suffix", WRITE)
def test_inter_is_read_back(suffix, deca, tmp_path):
    frame = clicks().assign(
        item=lambda frame: IDS["leading zeros"](frame["item"]),
        post="007",
        amount=lambda frame: frame["user"] / 4,
    )
    WRITE[suffix](frame, tmp_path / f"clicks.{suffix}")
    done = deca(f"denoise clicks.{suffix} --folds 0 --epochs 1 --out scored.inter")
    assert done.code == 0, done.err
    types = dict(
        name.split(":") for name in (tmp_path / "scored.inter").read_text().splitlines()[0].split("\t")
    )
    tokens = {"user_id", "item_id", "post"}
    assert types == {
        name: "token" if name in tokens else "float"
        for name in ["user_id", "item_id", "rating", "timestamp", "post", "amount", *ADDED]
    }
    by_pandas = pd.read_csv(
        tmp_path / "scored.inter", sep="\t", dtype={"item_id:token": str, "post:token": str}
    )
    names = ["user", "item", "rating", "timestamp", "post", "amount"]
    assert_frame_equal(by_pandas.iloc[:, :6].set_axis(names, axis=1), frame, check_dtype=False)
    again = read_interactions(tmp_path / "scored.inter").to_frame()
    assert_frame_equal(again, frame[["user", "item", "rating", "timestamp"]], check_dtype=False)


def test_large_ids_of_parquet_are_given_back(tmp_path):
    frame = pd.DataFrame({"user": np.array([2**63 + 5, 1], np.uint64), "item": [1, 2]})
    frame.to_parquet(tmp_path / "x.parquet")
    assert read_interactions(tmp_path / "x.parquet").to_frame()["user"].astype(str).tolist() == [
        str(2**63 + 5),
        "1",
    ]


@pytest.mark.parametrize("ids", ["integers", "leading zeros", "text", "unicode"])
def test_users_are_found_by_their_ids(ids, deca, tmp_path):
    frame = clicks().assign(
        user=lambda frame: IDS[ids](frame["user"]), item=lambda frame: IDS[ids](frame["item"])
    )
    if ids == "unicode":
        frame["user"] = frame["user"].str.replace(",", ";")  # a comma parts the ids of --users
    frame.to_csv(tmp_path / "clicks.csv", index=False)
    assert deca("train --data clicks.csv --epochs 1 --method Normal --out model").code == 0
    wanted = frame["user"].unique()[:3].tolist()
    done = deca(f"recommend model --users {shlex.quote(','.join(wanted))} --k 2 --json found.json")
    found = pd.read_json(tmp_path / "found.json", dtype={"user": str, "item": str})
    assert (done.code, done.err) == (0, "")
    assert found["user"].tolist() == [user for user in wanted for _ in range(2)]
    assert set(found["item"]) <= set(frame["item"]) and found["source"].unique().tolist() == ["GMF + Normal"]
    assert deca("evaluate model --k 3").code == 0


@pytest.mark.parametrize("stranger", ["1.5", "nobody", "-1", "1e30"])
def test_a_stranger_is_not_taken_for_somebody_else(stranger, deca, saved):
    done = deca(f"recommend model --users={stranger} --k 2")
    assert done.code == 0 and stranger in done.err and done.out.count("most popular") == 2


def test_titles_are_shown(deca, own_file, tmp_path):
    items = clicks()["item"].drop_duplicates()
    pd.DataFrame({"item": items, "year": 1999, "title": "Film " + items.astype(str)})[3:].to_csv(
        tmp_path / "titles.csv", index=False
    )
    assert deca("train --data clicks.csv --items titles.csv --epochs 1 --method Normal --out model").code == 0
    assert deca("recommend model --users 1,2 --k 30 --json found.json").code == 0
    found = pd.read_json(tmp_path / "found.json", dtype=str)
    untitled = found["item"].isin(items[:3].astype(str))
    assert (found["title"][~untitled] == "Film " + found["item"][~untitled]).all()
    assert (found["title"][untitled] == found["item"][untitled]).all(), "where there is no title, the id"


def test_titles_follow_their_items_when_validation_brings_others():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"user": rng.integers(0, 10, 80), "item": rng.choice(list("bcdefgh"), 80)}
    ).drop_duplicates()
    train = Interactions.from_frame(frame)
    train = replace(train, titles=np.array([f"title of {item}" for item in train.item_ids], object))
    valid = Interactions.from_frame(pd.DataFrame({"user": [0, 1, 2], "item": ["a", "a", "b"]}))
    found = Recommender("MF", "Normal", epochs=1).fit(train, valid).recommend(k=8)
    assert "a" in set(found["item"])
    assert (found["title"] == np.where(found["item"] == "a", "a", "title of " + found["item"])).all()


# The numbers as JSON.


def test_compare_writes_every_number(deca, tmp_path):
    assert (
        deca(
            "compare --data world --epochs 2 --methods Normal,DeCA --seeds 2 --k 3,20 --json scores.json"
        ).code
        == 0
    )
    text = (tmp_path / "scores.json").read_text()
    rows = json.loads(text)
    assert {tuple(row) for row in rows} == {
        ("data", "protocol", "model", "method", "seed", "ties", "k", "users", "n", "recall", "ndcg")
    }
    assert len(rows) == (len(BESIDE) + 2 * 2) * 2 * 3
    assert "NaN" not in text
    for row in rows:
        assert (row["n"] == 0) == (row["recall"] is None) == (row["ndcg"] is None) == (row["users"] == "cold")


# The real thing: a process of its own.

COMMAND = [sys.executable, "-c", "from deca_nb.cli import main; main()"]


def start(line: str, folder: Path, **environment: str) -> subprocess.Popen:
    """The command in a process of its own, in that folder."""
    env = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen(
        [*COMMAND, *shlex.split(line)],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> Done:
    """What it left behind."""
    out, err = process.communicate(timeout=300)
    return Done(process.returncode, out, err)


def test_mistakes_in_a_process_of_its_own(tmp_path):
    (tmp_path / "x.csv").write_text("user,rating\n1,2\n3,4\n")
    lines = {
        "denoise x.csv --out y.csv": ["x.csv", "'item'", "--item"],
        "compare --data world --method DeCAf": ["DeCAf"],
        "audit --nonsense": ["--nonsense"],
    }
    running = {line: start(line, tmp_path) for line in lines}
    for line, words in lines.items():
        assert_refused(finish(running[line]), *words)


@pytest.fixture(scope="module")
def twice(tmp_path_factory) -> tuple[Path, Path]:
    """The folders of one comparison, run in two processes."""
    line = 'compare --data world --epochs 3 --methods "Normal,DeCA,DeCA(p)" --json scores.json --out figures'
    folders = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    running = [start(line, folder, PYTHONHASHSEED=str(seed)) for seed, folder in enumerate(folders)]
    done = [finish(process) for process in running]
    assert [process.code for process in done] == [0, 0] and done[0].out == done[1].out
    return folders


@pytest.mark.parametrize(
    "name",
    ["scores.json", "figures/comparison.json", "figures/comparison.txt", "figures/learning-curves.svg"],
)
def test_the_same_command_twice_gives_the_same_bytes(name, twice):
    first, second = ((folder / name).read_bytes() for folder in twice)
    assert first == second


@pytest.mark.parametrize(
    "line",
    [
        "train --data world --epochs 3 --method Normal --out model",
        "explore --data world --epochs 3 --out page.html",
    ],
)
def test_a_pipe_gets_no_progress_bar_and_a_terminal_does(line, tmp_path):
    piped = start(line, tmp_path)
    reading, writing = pty.openpty()
    termios.tcsetwinsize(writing, (24, 120))
    shown = subprocess.Popen(
        [*COMMAND, *shlex.split(line)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=writing
    )
    os.close(writing)
    seen = b""
    while part := read_terminal(reading):
        seen += part
    shown.communicate(timeout=300)
    os.close(reading)
    assert shown.returncode == 0
    assert b"epoch" in seen and b"loss" in seen and b"\r" in seen
    done = finish(piped)
    assert (
        done.code == 0
        and "\r" not in done.err
        and "it/s" not in done.err
        and len(done.complaints()) == NOTES[line.split()[0]]
    )


NOTES = {"train": 3, "explore": 1}  # lines on standard error


def read_terminal(end: int) -> bytes:
    """Some bytes from a terminal, none at its end."""
    try:
        return os.read(end, 4096)
    except OSError:
        return b""
