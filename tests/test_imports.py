"""What an import brings in, what it leaves alone, and the names that others call."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import deca_nb
from deca_nb.interactions import InputError
from deca_nb.recommender import Recommender

MODULES = sorted(
    path.stem for path in Path(deca_nb.__file__).parent.glob("*.py") if not path.stem.startswith("_")
)


def printed(code: str, *words: str) -> str:
    """What a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


# What is brought in.

COMMAND = """
import sys
from deca_nb.cli import main
from contextlib import redirect_stderr, redirect_stdout
import io
sys.argv[0] = "deca"
with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
    try: main()
    except SystemExit: pass
print(*sys.modules)
"""
SLOW = {"optuna", "statsmodels", "sklearn"}


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--version"], {"torch", "pandas", "numpy"}),
        (["--help"], {"torch", "pandas", "numpy"}),
        (["trian"], {"torch", "pandas", "numpy"}),
        (["train", "--help"], SLOW | {"matplotlib", "ipywidgets"}),
        (["train", "--epoch", "3"], SLOW | {"matplotlib", "ipywidgets"}),
    ],
    ids=lambda words: " ".join(words if isinstance(words, list) else sorted(words)),
)
def test_a_command_brings_in_no_more_than_it_needs(words, absent):
    assert absent & set(printed(COMMAND, *words).split()) == set()


def test_a_recommender_brings_in_nothing_to_draw_or_to_search_with():
    modules = printed("import sys, deca_nb.recommender; print(*sys.modules)").split()
    assert (SLOW | {"matplotlib", "ipywidgets", "deca_nb.explorer", "deca_nb.cli"}) & set(modules) == set()


# What is left alone.


def needed(module: str) -> list[str]:
    """The modules of this package that a module imports when it is imported."""
    tree = ast.parse((Path(deca_nb.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    froms = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names = [
        node.module.removeprefix("deca_nb.")
        for node in froms
        if node.module and (node.level or "deca_nb." in node.module)
    ]
    return [name for name in names if name in MODULES]


def in_order() -> list[str]:
    """The modules, each after those that it needs. `RecursionError` where two need each other."""
    found = []

    def visit(module: str):
        if module not in found:
            for name in needed(module):
                visit(name)
            found.append(module)

    for module in MODULES:
        visit(module)
    return found


HELD = """
import importlib, sys

def held():
    found = {}
    for name in [name for name in sys.modules if name.startswith("deca_nb.")]:
        for key, value in vars(sys.modules[name]).items():
            if key.startswith("_") or name == "deca_nb.names" and key in ("KNOWN", "BEARERS"): continue
            if isinstance(value, dict): found[name, key] = {one: id(other) for one, other in value.items()}
            elif isinstance(value, list): found[name, key] = [id(one) for one in value]
            elif isinstance(value, set): found[name, key] = set(value)
    return found

for module in sys.argv[1:]:
    before, loaded = held(), {name for name in sys.modules if name.startswith("deca_nb.")}
    importlib.import_module(f"deca_nb.{module}")
    new = {name for name in sys.modules if name.startswith("deca_nb.")} - loaded
    if new - {f"deca_nb.{module}"}: print(f"{module} brings in {new}")
    after = held()
    for place in before:
        if before[place] != after[place]: print(f"{module} changes {'.'.join(place)}")
"""


def test_an_import_changes_nothing_in_another_module():
    assert printed(HELD, *in_order()) == ""


# Names that others call.

PINNED = {
    "interactions": "Interactions Split Protocol read_interactions movielens_100k authors_split",
    "worlds": "World",
    "models": "MF GMF NeuMF CDAE LightGCN",
    "objective": "bernoulli_kl log_likelihood dp_log_likelihood dn_log_likelihood label_fit deca_loss "
    "real_positive_probability",
    "evaluation": "evaluate audit MostPopular",
    "recommender": "Recommender",
    "recipe": "Recipe",
    "training": "Trainer",
}
PARAMETERS = {
    "interactions.Interactions.from_frame": "df user item rating timestamp",
    "interactions.read_interactions": "path user item rating timestamp",
    "interactions.authors_split": "name root protocol",
    "worlds.World": "n_users n_items rank noise popularity_noise unaware density cold_users seed",
    "objective.bernoulli_kl": "p q",
    "objective.log_likelihood": "f h h_prime observed",
    "objective.dp_log_likelihood": "f h observed c1",
    "objective.dn_log_likelihood": "f h_prime observed c2",
    "objective.label_fit": "f observed c1 c2",
    "objective.deca_loss": "log_lik f g alpha",
    "objective.real_positive_probability": "f h h_prime",
    "evaluation.evaluate": "scorer split k ties",
    "evaluation.audit": "split k",
    "recommender.Recommender": "model method seed protocol device",
    "recommender.Recommender.recommend": "users k",
    "recommender.Recommender.recommend_for": "items k",
    "recommender.Recommender.fit": "train valid",
    "recommender.Recommender.evaluate": "split k",
    "recommender.Recommender.real_positive_probability": "interactions",
    "recommender.Recommender.save": "folder",
    "recommender.Recommender.load": "folder",
    "models.MF.score_all": "users",
    "models.MF.forward": "users items",
}


@pytest.mark.parametrize("module", PINNED)
def test_a_pinned_name_imports(module):
    for name in PINNED[module].split():
        exec(f"from deca_nb.{module} import {name}")


@pytest.mark.parametrize("place", PARAMETERS)
def test_a_pinned_name_takes_what_it_took(place):
    module, *names = place.split(".")
    found = importlib.import_module(f"deca_nb.{module}")
    for name in names:
        found = getattr(found, name)
    taken = [name for name in inspect.signature(found).parameters if name != "self"]
    assert [name for name in taken if name in PARAMETERS[place].split()] == PARAMETERS[place].split()


def test_a_recommender_of_the_old_format_gets_one_clear_sentence(tmp_path):
    old = {
        "format": "deca_nb recommender 2",
        "model": "GMF",
        "method": "DeCA",
        "settings": {"c1": 10.0},
        "protocol": "clean",
    }
    (tmp_path / "recommender.json").write_text(json.dumps(old))
    with pytest.raises(InputError) as refused:
        Recommender.load(tmp_path)
    sentence = "format 'deca_nb recommender 2' is not 'deca_nb recommender 5'; train again with this version."
    assert str(refused.value) == f"{tmp_path}: {sentence}"
