"""Every public function of chapters 02 to 12 says what it takes, what it returns and what it raises."""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "docs"))
from members import documents

CHAPTERS = (
    *("worlds", "models", "evaluation", "ranking", "statistics", "judging", "batches", "training"),
    *("agreement", "objective", "denoising", "baselines", "recommender", "experiments", "interpretation"),
    "serving",
)


def members() -> Iterator[tuple[str, Callable, type | None]]:
    """The public functions of these chapters, their data classes, and the methods of the public classes."""
    for module in map(import_module, (f"deca_nb.{chapter}" for chapter in CHAPTERS)):
        for name in module.__all__:
            obj = getattr(module, name)
            if getattr(obj, "__module__", None) != module.__name__:
                continue
            if inspect.isclass(obj):
                yield from of_class(f"{module.__name__}.{name}", obj)
            elif callable(obj):
                yield f"{module.__name__}.{name}", obj, None


def of_class(name: str, cls: type) -> Iterator[tuple[str, Callable, type | None]]:
    """A data class, whose fields are parameters, and the public methods of any class."""
    if is_dataclass(cls):
        yield name, cls, None
    for attribute, value in vars(cls).items():
        method = getattr(value, "__func__", value)
        if inspect.isfunction(method) and is_written(method) and is_public(attribute):
            yield f"{name}.{attribute}", method, cls


def is_public(attribute: str) -> bool:
    """Whether readers call it."""
    return attribute in ("__init__", "__call__") or not attribute.startswith("_")


def is_written(method: Callable) -> bool:
    """Whether it has lines in a chapter, which a data class's constructor has not."""
    return Path(inspect.unwrap(method).__code__.co_filename).parent == ROOT / "deca_nb"


MEMBERS = {name: (obj, owner) for name, obj, owner in members()}


def undocumented(obj: Callable, owner: type | None) -> list[str]:
    """The parameters, and the return, without a word."""
    notes, signature = documents(obj, owner), inspect.signature(obj)
    names = [name for name in signature.parameters if name not in ("self", "cls")]
    returns = not is_dataclass(obj) and signature.return_annotation not in (None, "None", signature.empty)
    return [name for name in names + ["return"] * returns if name not in notes]


def raised(obj: Callable) -> set[str]:
    """The errors that its own lines raise, and those of the `need_...` that it calls."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(obj)))
    calls = {getattr(node.func, "id", "") for node in ast.walk(tree) if isinstance(node, ast.Call)}
    errors = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    names = {ast.unparse(getattr(error, "func", error)) for error in errors}
    return names | {"InputError" for name in calls if name.startswith("need_")}


@pytest.mark.parametrize("name", MEMBERS)
def test_says_what_it_takes_and_returns(name):
    assert undocumented(*MEMBERS[name]) == []


@pytest.mark.parametrize("name", [name for name, (obj, _) in MEMBERS.items() if inspect.isfunction(obj)])
def test_says_what_it_raises(name):
    obj, owner = MEMBERS[name]
    constructed = [owner] if owner and obj.__name__ == "__init__" else []
    said = "\n".join(inspect.getdoc(part) or "" for part in (*constructed, obj))
    errors = raised(obj) - {"NotImplementedError"}
    assert {error for error in errors if not re.search(rf"[Rr]aises?\b.*{error}", said, re.DOTALL)} == set()
