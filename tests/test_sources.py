"""MovieLens-100K is one and the same from each source.

It is checked, and says clearly when it is not to be had.
"""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pooch
import pytest
from conftest import LEFT_OUT

from deca_nb.datasets import (
    GROUPLENS,
    MOVIELENS_SHA256,
    MOVIELENS_SOURCES,
    is_movielens,
    movielens_100k,
    movielens_folder,
    movielens_from_folder,
    movielens_from_recbole,
)
from deca_nb.interactions import InputError, Split

FOLDER, ARCHIVE, WHEEL = MOVIELENS_SOURCES


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The place of the cached files, empty, and apart from the user's."""
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    return tmp_path / "cache" / "deca_nb" / "movielens-100k"


@pytest.fixture
def only(monkeypatch):
    """Leaves one source, or none."""

    def leave(*sources: str):
        for source in set(MOVIELENS_SOURCES) - set(sources):
            monkeypatch.delitem(MOVIELENS_SOURCES, source)

    return leave


@pytest.fixture
def archive(tmp_path, deca_data, monkeypatch) -> Path:
    """GroupLens' archive, written anew out of the same ratings and titles, in the place of the download."""
    tables = movielens_from_folder()
    titles = tables["titles.tsv"]["title"].mask(
        lambda title: title.str.startswith("Land Before Time III"), lambda title: title + " (V)"
    )
    films = [
        f"{item}|{title}|01-Jan-1995||http://example.org/{item}|{'|'.join('0' * 19)}"
        for item, title in enumerate(titles, start=1)
    ]
    path = tmp_path / "ml-100k.zip"
    with zipfile.ZipFile(path, "w") as files:
        files.writestr("ml-100k/u.data", tables["ratings.tsv"].to_csv(sep="\t", header=False, index=False))
        files.writestr("ml-100k/u.item", "\n".join(films).encode("latin-1"))

    def retrieve(url, known_hash, **how):
        assert (url, known_hash) == GROUPLENS
        return str(path)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    return path


def contents(split: Split) -> list:
    """Everything that a split holds."""
    parts = [getattr(split, name) for name in ("train", "valid", "truth", "known")]
    rows = [part.to_frame().to_csv() for part in parts]
    return [
        split.fingerprint(),
        split.k,
        split.truth_means,
        rows,
        list(split.train.item_ids),
        list(split.train.titles),
    ]


def from_source(source: str, only, cache: Path) -> tuple[list, dict[str, bytes]]:
    """What `movielens_100k` gives from this source alone, and the files that it leaves in the cache."""
    assert not cache.exists()
    only(source)
    return contents(movielens_100k()), {path.name: path.read_bytes() for path in cache.iterdir()}


# Each source.


@pytest.mark.data
def test_from_the_folder(only, cache, deca_data):
    found, files = from_source(FOLDER, only, cache)
    assert set(files) == set(MOVIELENS_SHA256)
    assert (
        "Star Wars (1977)" in found[-1] and "Misérables, Les (1995)" in found[-1] and "unknown" in found[-1]
    )


@pytest.mark.data
def test_from_the_archive_as_from_the_folder(only, cache, archive, deca_data, tmp_path, monkeypatch):
    from_archive = from_source(ARCHIVE, only, cache)
    monkeypatch.undo()
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "another" / project)
    only(FOLDER)
    assert from_archive == from_source(FOLDER, only, tmp_path / "another" / "deca_nb" / "movielens-100k")


def test_from_the_wheel(only, cache, tmp_path, request):
    try:
        tables = movielens_from_recbole()
    except (OSError, subprocess.SubprocessError) as error:
        leave_out_without_index(request, tmp_path)
        raise error
    assert {name: len(table) for name, table in tables.items()} == {
        "ratings.tsv": 100_000,
        "titles.tsv": 1682,
    }
    found, files = from_source(WHEEL, only, cache)
    assert is_movielens(cache) and set(files) == set(MOVIELENS_SHA256), (
        "so it is what the other sources give, byte for byte"
    )
    assert "Star Wars (1977)" in found[-1]


def leave_out_without_index(request, folder: Path):
    """Skip where not even the smallest of packages can be downloaded.

    With DECA_REQUIRE_ALL=1 that fails the run.
    """
    probe = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "wheel"]
    if subprocess.run(probe, capture_output=True, timeout=300).returncode:
        request.config.stash[LEFT_OUT].append(f"{request.node.nodeid}: the package index cannot be reached")
        pytest.skip("the package index cannot be reached")


# The cache.


@pytest.mark.data
@pytest.mark.parametrize("name", MOVIELENS_SHA256)
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_text("rubbish"),
    ],
)
def test_a_damaged_cache_is_filled_again(damage, name, only, cache, deca_data):
    before = from_source(FOLDER, only, cache)
    damage(cache / name)
    assert not is_movielens(cache)
    assert contents(movielens_100k()) == before[0]
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == before[1]


@pytest.mark.data
def test_a_sound_cache_needs_no_source(only, cache, deca_data):
    before = from_source(FOLDER, only, cache)[0]
    only()
    assert contents(movielens_100k()) == before


@pytest.mark.data
def test_an_interrupted_source_leaves_no_half_of_a_cache(only, cache, deca_data, monkeypatch):
    def interrupted(*args, **how):
        raise KeyboardInterrupt

    only(FOLDER)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(pd.DataFrame, "to_csv", interrupted)
        movielens_100k()
    assert list(cache.iterdir()) == []
    assert len(movielens_100k().known) == 89561


# Where there is no source.


def refusal() -> str:
    """The one sentence of `movielens_100k`."""
    with pytest.raises(InputError) as caught:
        movielens_100k()
    message = str(caught.value)
    assert "\n" not in message and "DECA_DATA" in message and len(message) < 250
    return message


def test_every_source_says_why_it_fails(cache, monkeypatch):
    def fails(error):
        def source():
            raise error

        return source

    errors = {
        "$DECA_DATA": FileNotFoundError("no folder"),
        "GroupLens": ConnectionError(),
        "RecBole's wheel through pip": subprocess.TimeoutExpired("pip", 300),
    }
    assert set(errors) == set(MOVIELENS_SOURCES)
    for source, error in errors.items():
        monkeypatch.setitem(MOVIELENS_SOURCES, source, fails(error))
    message = refusal()
    assert [source for source in MOVIELENS_SOURCES if source not in message] == []
    for reason in ("$DECA_DATA: no such file", "GroupLens: not reached", "pip: timed out", "; go online"):
        assert reason in message
    assert not cache.exists() or not list(cache.iterdir())


def test_without_pip_there_is_one_clear_sentence(cache, tmp_path, monkeypatch):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    monkeypatch.setattr(pooch, "retrieve", offline)
    monkeypatch.delenv("DECA_DATA", raising=False)
    message = refusal()
    assert "pip: no pip" in message and "install pip" in message and "GroupLens: not reached" in message


def offline(*args, **how):
    """What a download does without a network."""
    raise ConnectionError("Name or service not known")


def test_other_content_is_refused(only, cache, monkeypatch):
    only(FOLDER)
    tables = {
        "ratings.tsv": pd.DataFrame({"user": [1], "item": [2]}),
        "titles.tsv": pd.DataFrame({"item": [2], "title": ["x"]}),
    }
    monkeypatch.setitem(MOVIELENS_SOURCES, FOLDER, lambda: tables)
    assert f"{FOLDER}: other content" in refusal()
    assert not is_movielens(cache)


@pytest.mark.data
def test_the_next_source_helps(cache, archive, deca_data, tmp_path, monkeypatch):
    monkeypatch.setenv("DECA_DATA", str(tmp_path / "nowhere"))
    monkeypatch.delitem(MOVIELENS_SOURCES, WHEEL)
    assert is_movielens(movielens_folder())


@pytest.mark.data
def test_a_cache_that_cannot_be_written(only, tmp_path, deca_data, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "file" / project)
    only(FOLDER)
    with pytest.raises(InputError, match="file"):
        movielens_100k()


@pytest.mark.data
def test_the_titles_are_spread_over_every_item(cache, deca_data):
    titles = movielens_100k().train.titles
    assert len(titles) == 1682 and all(isinstance(title, str) and title for title in titles)
    assert np.mean([title.endswith(")") for title in titles]) > 0.99, "nearly all of them end in a year"
