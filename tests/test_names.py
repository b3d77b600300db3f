"""One table of names, which is what the decorators say, and one meaning for each number."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_imports import MODULES, printed

from deca_nb.names import find, listed, origin, table
from deca_nb.recipe import numbers_of

ROOT = Path(__file__).parents[1]


def test_the_table_is_what_the_decorators_say():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "names.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


ALL_KNOWN = """
import importlib, json, sys
for module in sys.argv[1:]: importlib.import_module(f"deca_nb.{module}")
from deca_nb.names import KNOWN
print(json.dumps({kind: sorted(names) for kind, names in KNOWN.items() if names}))
"""


def test_importing_everything_gives_exactly_the_table():
    known = json.loads(printed(ALL_KNOWN, *MODULES))
    assert known == {kind: sorted(names) for kind, names in table().items()}


@pytest.mark.parametrize("kind", table())
def test_every_name_is_found(kind):
    for name, home in table()[kind].items():
        found = find(kind, name)
        assert not isinstance(found, type) or origin(found) == home, name


def test_a_number_keeps_one_meaning():
    owners = {f"method {name}": find("method", name).Settings for name in listed("method")}
    owners |= {f"model {name}": find("model", name) for name in listed("model")}
    meanings = {}
    for owner, made in owners.items():
        for name, number in numbers_of(made).items():
            first, meaning = meanings.setdefault(name, (owner, number))
            assert number == meaning and owner[:6] == first[:6], (
                f"{name} of {owner} is another number than that of {first}"
            )
    assert {"epochs", "c1", "c2", "alpha", "drop_rate", "smoothing", "power", "embedding_dim"} <= set(
        meanings
    )


def test_every_number_has_a_help_text():
    for name in listed("method"):
        for number, about in numbers_of(find("method", name).Settings).items():
            assert about.help, f"{number} of {name}"
