"""A model, a method and a metric of one's own, as the guides write them.

One file, no other edited, and it is in the options, in tuning and in the tables. The pages as a whole are run
with the site's tests; here it is what their commands print.
"""

import importlib.util
import io
import json
import re
import shlex
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from deca_nb import cli
from deca_nb.evaluation import MostPopular, evaluate
from deca_nb.names import find
from deca_nb.recipe import numbers_of
from deca_nb.tuning import draw_numbers, search_space
from deca_nb.worlds import World

DOCS = Path(__file__).parents[1] / "docs"
spec = importlib.util.spec_from_file_location("guides", DOCS / "guides.py")
guides = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guides)


def deca(line: str) -> str:
    """What the command prints on both streams; it must not fail."""
    out, code = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(out):
        patched.setattr(sys, "argv", shlex.split(line))
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
    assert code == 0, out.getvalue()
    return out.getvalue()


@pytest.fixture
def followed(request, tmp_path, monkeypatch) -> dict[str, str]:
    """The guide of that name followed in an empty folder: command -> what it prints.

    Its file is written and each of its commands given.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    blocks = guides.BLOCK.findall(
        (DOCS / "pages" / "guides" / f"own_{request.param}.md").read_text(encoding="utf-8")
    )
    files = [block for language, block in blocks if language == "python" and guides.FILE.match(block)]
    assert (
        len(files) == 1 and len(re.findall(r"^(?:class|def) (?!\w*Settings)", files[0], re.MULTILINE)) == 1
    ), "one class in one file"
    guides.run_python(files[0], {})
    lines = [
        line
        for language, block in blocks
        if language == "sh"
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return {line: deca(line) for line in lines}


def said(printed: dict[str, str], command: str) -> str:
    """What that command of the page printed."""
    return next(out for line, out in printed.items() if line.startswith(f"deca {command}"))


def help_of(printed: dict[str, str]) -> str:
    """What `deca train --help` printed."""
    return next(out for line, out in printed.items() if line.endswith("--help"))


@pytest.mark.parametrize("followed", ["model"], indirect=True)
def test_a_model_of_ones_own(followed):
    assert "--width" in help_of(followed) and "Biased: numbers in a row [16]" in help_of(followed)
    assert said(followed, "train --data").count("mine.py:Biased + DeCA")
    table = said(followed, "compare")
    assert table.startswith("mine.py:Biased\n") or "\nmine.py:Biased\n" in table
    assert numbers_of(find("model", "mine.py:Biased"))["width"].least == 1
    about = json.loads(Path("my-model/recommender.json").read_text())
    assert about["recipe"]["model"] == "mine.py:Biased" and about["recipe"]["sizes"] == {"width": 8}


@pytest.mark.parametrize("followed", ["method"], indirect=True)
def test_a_method_of_ones_own(followed):
    name = "mine.py:InversePopularity"
    assert "--sharpness" in help_of(followed) and "power of the item's clicks [0.5]" in help_of(followed)
    assert f"GMF + {name}" in said(followed, "train --data")
    rows = [
        line.split()[0] for line in said(followed, "compare").splitlines() if re.search(r" 0\.\d{4}$", line)
    ]
    assert rows == ["MostPopular", "EASE", "ItemKNN", "Normal", name]
    footer = next(
        line for line in said(followed, "compare").splitlines() if line.startswith(f"{name}: epochs")
    )
    assert "sharpness 0.5" in footer and "c1" not in footer
    space = search_space(name)
    assert "sharpness" in space and {"l2", "learning_rate"} <= set(space) and "c1" not in space
    draws = draw_numbers(name, 12)
    assert draws[0]["sharpness"] == 0.5 and {draw["sharpness"] for draw in draws} == {0.25, 0.5, 1.0}
    assert [{key: draw[key] for key in ("l2", "learning_rate")} for draw in draws] == [
        {key: draw[key] for key in ("l2", "learning_rate")} for draw in draw_numbers("Normal", 12)
    ], "as many draws, and the same of what all have"


@pytest.mark.parametrize("followed", ["metric"], indirect=True)
def test_a_metric_of_ones_own(followed):
    name = "mine.py:complete"
    heads = next(line for line in said(followed, "compare").splitlines() if "recall@" in line).split()
    assert {"recall@5", "ndcg@20", "hit@20", f"{name}@5", f"{name}@20"} <= set(heads)
    rows = json.loads(Path("scores.json").read_text())
    assert all({"recall", "ndcg", "hit", name} <= set(row) for row in rows)
    assert all(row[name] <= row["hit"] for row in rows if row["n"])
    assert f"{name}@20" in said(followed, "evaluate")
    trained = said(followed, "train --data")
    assert trained.count(f"{name}@20") == trained.count("recall@20") == 2, "of the model, and of popularity"
    split = World(n_users=60, n_items=40).sample()
    found = evaluate(MostPopular(split.train), split, metrics=("recall", name))
    assert (found[f"{name}@20"] == (found["recall@20"] > 1 - 1e-9)).all()


def test_a_model_of_ones_own_is_tuned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "pages" / "guides" / "own_model.md").read_text(encoding="utf-8")
    file = next(
        block
        for language, block in guides.BLOCK.findall(page)
        if language == "python" and guides.FILE.match(block)
    )
    guides.run_python(file, {})
    deca(
        "deca tune --data world --model mine.py:Biased --methods Normal,DeCA --trials 2 --seeds 1 --epochs 2 "
        "--out tuned"
    )
    best = Path("tuned/best.toml").read_text()
    assert 'model = "mine.py:Biased"' in best
    assert "mine.py:Biased" in deca("deca train --recipe tuned/best.toml --out model")


def test_a_file_is_not_run_unless_it_is_named(tmp_path):
    (tmp_path / "mine.py").write_text("open('ran', 'w').close()\n")
    with chdir(tmp_path):
        deca("train --help")
    assert not (tmp_path / "ran").exists()
