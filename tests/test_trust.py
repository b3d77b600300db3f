"""A saved folder that is damaged or forged gives one line, and never another number."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from safetensors.torch import load_file, save_file

from deca_nb.files import InputError
from deca_nb.interactions import Interactions
from deca_nb.recommender import Recommender
from deca_nb.runs import Runs, kept_in, sweep
from deca_nb.saved import sealed

sys.path.append(str(ROOT / "tests" / "faults"))
from ground import jobs

GOLDEN = Path(__file__).parent / "golden" / "saved"
METHODS = {"DeCA": "GMF", "Normal": "CDAE", "EASE": "GMF", "ItemKNN": "GMF"}


def clicks(seed: int = 0) -> Interactions:
    rng = np.random.default_rng(seed)
    pairs = pd.DataFrame(rng.integers(0, 12, (90, 2)), columns=["user", "item"]).drop_duplicates()
    return Interactions.from_frame(pairs.astype(str).add("x"))


@pytest.fixture(scope="module", params=METHODS)
def saved(request, tmp_path_factory) -> Path:
    """A folder of each kind of recommender, with weights that lists come from."""
    numbers = {"epochs": 2, "embedding_dim": 4} if request.param in ("DeCA", "Normal") else {}
    made = Recommender(METHODS[request.param], request.param, device="cpu", threads=1, **numbers).fit(
        clicks()
    )
    folder = tmp_path_factory.mktemp("saved") / "m"
    made.refit(clicks()).save(folder)
    return folder


def answers(folder: Path) -> list:
    """What a folder says."""
    loaded = Recommender.load(folder, device="cpu")
    return [loaded.recommend(k=3).values.tolist(), loaded.recipe.key(), loaded.history.to_dict("records")]


def test_a_flipped_bit_is_refused_or_changes_nothing(saved, tmp_path):
    whole, rng, n_refused = answers(saved), np.random.default_rng(3), 0
    for path in sorted(saved.iterdir()):
        data = path.read_bytes()
        for place in rng.integers(len(data), size=60):
            folder = tmp_path / "m"
            shutil.copytree(saved, folder)
            flipped = bytearray(data)
            flipped[place] ^= 1 << rng.integers(8)
            (folder / path.name).write_bytes(flipped)
            try:
                assert answers(folder) == whole, (path.name, place)
            except InputError as error:
                assert str(folder) in str(error) and len(str(error)) < 300
                n_refused += 1
            shutil.rmtree(folder)
    assert n_refused > 100


def forge(saved: Path, folder: Path, change_about=None, change_tensors=None):
    """A copy of a folder by somebody who knows how to make its hashes."""
    shutil.copytree(saved, folder)
    about = json.loads((folder / "recommender.json").read_text())
    tensors = load_file(folder / about["tensors"])
    (folder / about["tensors"]).unlink()
    if change_tensors:
        change_tensors(tensors)
    save_file({name: one.contiguous() for name, one in tensors.items()}, folder / "draft")
    digest = hashlib.sha256((folder / "draft").read_bytes()).hexdigest()
    about |= {"tensors": f"tensors-{digest[:16]}.safetensors", "tensors_sha256": digest}
    (folder / "draft").rename(folder / about["tensors"])
    if change_about:
        change_about(about)
    (folder / "recommender.json").write_text(json.dumps(sealed(about)))


def setting(*places):
    """A change of one entry; the last place is the value."""
    *way, name, value = places

    def change(about):
        for step in way:
            about = about[step]
        about[name] = value(about[name]) if callable(value) else value

    return change


FORGED = {
    "no pair trains": setting("n_train", 0),
    "fewer than none": setting("n_train", -5),
    "more than there are": setting("n_train", 10**9),
    "half a pair": setting("n_train", 1.5),
    "another method": setting("recipe", "method", "T-CE"),
    "another model": setting("recipe", "model", "NeuMF"),
    "no method": setting("recipe", "method", "Nothing"),
    "a way out": setting("tensors", "../outside/x.safetensors"),
    "an absolute way": setting("tensors", "/etc/passwd"),
    "a repeated id": setting("user_ids", "list", lambda ids: [ids[0], ids[0], *ids[2:]]),
    "no id": setting("user_ids", "list", lambda ids: [None, *ids[1:]]),
    "fewer ids": setting("item_ids", "list", lambda ids: ids[:2]),
    "more ids": setting("item_ids", "list", lambda ids: [*ids, "another"]),
    "few titles": setting("titles", ["A"]),
    "a number out of range": setting("recipe", "settings", "epochs", -3),
    "another tie rule": setting("judging", "ties", "mine.py:ties"),
    "served, no pair trains": setting("serving", "n_train", 0),
    "no recipe": setting("recipe", None),
    "no history": setting("history", 3),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_description_is_refused(name, saved, tmp_path):
    if name in ("another model", "a number out of range", "another method") and "epochs" not in str(
        json.loads((saved / "recommender.json").read_text())["recipe"]["settings"]
    ):
        name = "no method"  # a ranker has no such number
    forge(saved, tmp_path / "m", FORGED[name])
    with pytest.raises(InputError) as refused:
        answers(tmp_path / "m")
    assert str(tmp_path / "m") in str(refused.value) and len(str(refused.value)) < 300
    assert "\n" not in str(refused.value)


def of_floats(change):
    """A change of the first float weight."""

    def changed(tensors):
        name = next(
            name for name, one in tensors.items() if name.startswith("method.") and one.is_floating_point()
        )
        tensors[name] = change(tensors[name])

    return changed


FORGED_TENSORS = {
    "not a number": of_floats(lambda one: one.index_fill(0, torch.tensor(0), torch.nan)),
    "infinite": of_floats(lambda one: one * torch.inf),
    "whole numbers": of_floats(lambda one: one.long()),
    "a user that there is not": lambda tensors: tensors["known.users"].add_(100),
    "below the first": lambda tensors: tensors["known.items"].sub_(1),
    "one column shorter": setting("known.items", lambda one: one[:-1]),
    "no items": lambda tensors: tensors.pop("known.items"),
}


@pytest.mark.parametrize("name", FORGED_TENSORS)
def test_forged_tensors_are_refused(name, saved, tmp_path):
    forge(saved, tmp_path / "m", None, FORGED_TENSORS[name])
    with pytest.raises(InputError) as refused:
        answers(tmp_path / "m")
    assert str(tmp_path / "m") in str(refused.value) and len(str(refused.value)) < 300


def test_a_folder_that_is_as_it_was_written_is_loaded(saved, tmp_path):
    forge(saved, tmp_path / "m")
    assert answers(tmp_path / "m") == answers(saved)


@pytest.mark.parametrize("version", ["4", "5"])
def test_folders_of_each_format_are_loaded(version):
    """They were written once, by the version that had the format."""
    loaded = Recommender.load(GOLDEN / version, device="cpu")
    lists = loaded.recommend(["0x", "3x"], k=3)
    expected = pd.read_csv(GOLDEN / "lists.csv", dtype={"user": str, "item": str})
    assert lists["item"].tolist() == expected["item"].tolist()
    np.testing.assert_allclose(lists["score"], expected["score"], atol=1e-6)


# Kept runs.


@pytest.mark.parametrize("damage", ["flip", "empty", "cut", "text"])
@pytest.mark.parametrize("packed", [False, True], ids=["alone", "packed"])
def test_damaged_runs_are_set_aside_and_made_again(damage, packed, tmp_path, capsys):
    """An empty or cut file was a traceback, and one blocked the whole sweep."""
    runs = Runs(tmp_path)
    rows = sweep(jobs(), runs)
    if packed:
        runs.pack()
    path = runs.packed if packed else sorted(tmp_path.glob("run-*.parquet"))[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 5] ^= 4
    path.write_bytes(
        {"flip": bytes(data), "empty": b"", "cut": bytes(data[: len(data) // 2]), "text": b"x" * 99}[damage]
    )
    kept_in.cache_clear()
    again = sweep(jobs(), runs)
    assert again.drop(columns="seconds").equals(rows.drop(columns="seconds"))
    assert path.with_name(f"{path.name}.damaged").is_file()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{path} cannot be read" in said and len(said) < 300 + len(str(path)) * 2


def test_damaged_weights_are_set_aside_and_trained_again(tmp_path, capsys):
    """A flipped byte in kept weights went unseen."""
    runs = Runs(tmp_path)
    rows = sweep(jobs()[:1], runs)
    [path] = (tmp_path / "weights").glob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    next(tmp_path.glob("run-*.parquet")).unlink()
    kept_in.cache_clear()
    again = sweep(jobs()[:1], runs)
    assert again.drop(columns="seconds").equals(rows.drop(columns="seconds"))
    assert "its SHA-256 is another" in capsys.readouterr().err
