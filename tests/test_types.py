"""Types: the package holds what it says, and a user's checker knows the public names."""

import ast
import importlib
import inspect
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from test_imports import PARAMETERS, PINNED

sys.path.append(str(ROOT / "tools"))
import typed

PACKAGE = ROOT / "deca_nb"
PROGRAM = """
from deca_nb.interactions import read_interactions
from deca_nb.recommender import Recommender
from deca_nb.worlds import World

split = World(n_users=300, n_items=200, seed=1).sample()
fitted = Recommender("GMF", "DeCA", c1=1, c2=1).fit(split.train, split.valid)
name: str = fitted.name
lists = fitted.recommend(users=[1], k=5)
read_interactions("clicks.csv", user="who").select(slice(5)).user_counts()
fitted.rekommend()
World(n_users="many")
fitted.fit("clicks.csv")
"""


def test_the_package_holds_its_types():
    code, said = typed.checked()
    assert code == 0, said


def test_the_stubs_are_as_the_modules_say():
    assert typed.stubs() == typed.texts(PACKAGE), "run python tools/typed.py --write"


def test_a_user_s_checker_finds_what_is_wrong_and_nothing_else(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    how = ["--config-file", ROOT / "mypy.ini", "--cache-dir", typed.CACHE, "--no-error-summary"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *how, "program.py"],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    told = [line for line in done.stdout.splitlines() if re.match(r"program\.py:\d+: error:", line)]
    found = [line.split(":", 2)[1] for line in told]
    assert found == ["11", "12", "13"], done.stdout + done.stderr
    assert 'maybe "recommend"?' in done.stdout


def test_methods_of_patches_stand_in_their_classes():
    source = '''
class A(B):
    "A."
    x = 1

@patch
def f(self: A, y: int  # a number
      ) -> int:
    """Two
    lines."""
    return y

@patch(cls_method=True)
def g(cls: A) -> "A": return cls()

@patch
def h(self: Elsewhere): pass
'''
    lines = typed.joined(source)
    tree = ast.parse("\n".join(text for text, _ in lines))
    held = {
        node.name: [one.name for one in ast.walk(node) if isinstance(one, ast.FunctionDef)]
        for node in tree.body
    }
    assert held == {"A": ["f", "g"], "h": ["h"]}
    assert [number for text, number in lines if "return y" in text] == [11]
    decorators = [
        ast.unparse(one)
        for node in tree.body[0].body
        if isinstance(node, ast.FunctionDef)
        for one in node.decorator_list
    ]
    assert decorators == ["classmethod"]


def public(place: str):
    """What a name of `PARAMETERS` names."""
    module, *names = place.split(".")
    found = importlib.import_module(f"deca_nb.{module}")
    for name in names:
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("place", PARAMETERS)
def test_each_parameter_of_a_pinned_name_has_a_type(place):
    taken = inspect.signature(public(place)).parameters.values()
    plain = [one.name for one in taken if one.name != "self" and one.kind is not one.VAR_KEYWORD]
    without = [one.name for one in taken if one.name in plain and one.annotation is one.empty]
    assert without == []


def test_the_marker_is_there():
    assert (PACKAGE / "py.typed").exists() and set(PINNED) <= {path.stem for path in PACKAGE.glob("*.pyi")}
