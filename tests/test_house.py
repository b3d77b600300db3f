"""The house rules: modules, README and wheel are what the notebooks and settings.ini say."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import deca_nb

sys.path.append(str(ROOT / "tools"))
from book import chapters
from outputs import tidy

NOTEBOOKS = sorted((ROOT / "nbs").glob("*.ipynb"))
MODULES = [path for path in NOTEBOOKS if path.stem != "index"]
SETTINGS = ConfigParser(delimiters=["="])
SETTINGS.read(ROOT / "settings.ini", encoding="utf-8")
REQUIREMENTS = [
    Requirement(line)
    for key, lines in SETTINGS["DEFAULT"].items()
    if key.endswith("requirements")
    for line in lines.split()
]
IGNORED = shutil.ignore_patterns(
    *(".git", ".venv", "build", "dist", "demo", "_build", "*.egg-info"),
    *("__pycache__", ".*_cache", ".hypothesis", ".ipynb_checkpoints"),
)
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
each_requirement = pytest.mark.parametrize(
    "requirement", REQUIREMENTS, ids=lambda requirement: requirement.name
)


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command that has to succeed."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def texts(folder: Path, pattern: str) -> dict[str, str]:
    """The files of a folder by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob(pattern)}


def nbdev(command: str, cwd: Path) -> str:
    """Run one of nbdev's commands out of the environment that runs the tests."""
    return run(Path(sys.executable).with_name(command), cwd=cwd)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the checkout to work on."""
    return shutil.copytree(ROOT, tmp_path / "checkout", ignore=IGNORED)


# The modules, and nothing else, come from the notebooks.


def test_export_leaves_no_difference(checkout):
    committed = texts(checkout / "deca_nb", "*.py")
    for name in committed:
        (checkout / "deca_nb" / name).unlink()
    nbdev("nbdev_export", checkout)
    exported = texts(checkout / "deca_nb", "*.py")
    assert sorted(committed) == sorted(exported), "a module without its notebook, or the other way round"
    assert [name for name in exported if exported[name] != committed[name]] == []


def test_clean_leaves_no_difference(checkout):
    before = texts(checkout / "nbs", "*.ipynb")
    nbdev("nbdev_clean", checkout)
    after = texts(checkout / "nbs", "*.ipynb")
    assert [name for name in before if before[name] != after[name]] == []


def test_each_notebook_has_its_module():
    modules = {path.stem for path in (ROOT / "deca_nb").glob("*.py")} - {"__init__", "_modidx"}
    assert {re.split("[_-]", path.stem, maxsplit=1)[1] for path in MODULES} == modules


def test_readme_is_the_index():
    run(sys.executable, "tools/readme.py", "--check", cwd=ROOT)


def test_readme_links_lead_somewhere():
    targets = re.findall(r"\]\((?![a-z]+:|#)([^)\s#]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert [target for target in targets if not (ROOT / target).exists()] == []


# A cell is short, named and unexecuted.


@each_notebook
def test_cells_are_named(notebook):
    ids = [cell.id for cell in nbformat.read(notebook, as_version=4).cells]
    assert len(set(ids)) == len(ids)
    assert [
        name for name in ids if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name) or is_random(name)
    ] == []


def is_random(cell_id: str) -> bool:
    """Whether an id is one that Jupyter or nbdev drew."""
    return bool(re.fullmatch(r"(?=.*\d)[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?", cell_id))


@each_notebook
def test_cells_are_short_and_unexecuted(notebook):
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.id for cell in cells if len(cell.source.splitlines()) > 45] == []
    assert [cell.id for cell in cells if cell.execution_count is not None] == []


@each_notebook
def test_prose_fits_a_page(notebook):
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "markdown"]
    unbroken = re.compile(r"\s*(\||#|<|!\[|\$\$|\[Open in)|\S+$")  # tables, pictures, formulas, a long word
    lines = [(cell.id, line) for cell in cells for line in cell.source.splitlines()]
    assert [(name, line) for name, line in lines if len(line) > 110 and not unbroken.match(line)] == []


def test_a_module_says_in_one_sentence_what_it_is():
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "deca_nb").glob("[a-z]*.py")}
    first = {name: text.partition("\n")[0] for name, text in texts.items()}
    assert [
        name for name, line in first.items() if not line.endswith(('."""', '?"""')) or len(line) > 110
    ] == []


@each_notebook
def test_outputs_are_such_as_teach(notebook):
    kept = nbformat.read(notebook, as_version=4)
    before = nbformat.writes(kept)
    tidy(kept)
    assert nbformat.writes(kept) == before


def test_a_cell_can_keep_its_output_to_itself():
    text = nbformat.v4.new_output("stream", text="shown")
    sources = "#| output: false\n1", "1  #| output: false"
    cells = [nbformat.v4.new_code_cell(source, outputs=[text]) for source in sources]
    tidy(nbformat.v4.new_notebook(cells=cells))
    assert [len(cell.outputs) for cell in cells] == [0, 1]


def test_an_address_in_memory_is_not_kept_beside_what_is_shown():
    shown = {"text/html": "<table></table>", "text/plain": "<pandas.Styler at 0x7f12>"}
    told = {"text/html": "<table></table>", "text/plain": "a  b"}
    outputs = [nbformat.v4.new_output("display_data", data=dict(data)) for data in (shown, told)]
    tidy(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=outputs)]))
    assert [sorted(output.data) for output in outputs] == [["text/html"], ["text/html", "text/plain"]]


RAW = ("tensor(", "array(", "np.float", "np.int", "torch.Size", "grad_fn")


def is_raw(output) -> bool:
    """Whether an output shows a value as the code writes it, where a table or a sentence would teach."""
    data = output.get("data", {})
    if any(mime != "text/plain" for mime in data):
        return False
    text = output.get("text", "") or data.get("text/plain", "")
    is_literal = output.output_type == "execute_result" and text.lstrip().startswith(("{", "[", "("))
    return is_literal or any(word in text for word in RAW)


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_outputs_are_tables_or_sentences(chapter):
    cells = nbformat.read(chapter, as_version=4).cells
    assert [cell.id for cell in cells if any(map(is_raw, cell.get("outputs", ())))] == []


# Every dependency is bounded, explained and tested in one version.


@each_requirement
def test_requirement_is_bounded(requirement):
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {"=="} or operators == {">=", "<"}


@each_requirement
def test_requirement_is_explained(requirement):
    assert f"`{requirement.name}`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_constraints_are_sorted_and_cover_what_is_tested():
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    pinned = {name.lower(): version for name, version in (line.split("==") for line in lines)}
    assert list(pinned) == sorted(pinned)
    versions = {canonicalize_name(name): version for name, version in pinned.items()}
    tested = [
        Requirement(line)
        for key in ("requirements", "dev_requirements", "docs_requirements")
        for line in SETTINGS["DEFAULT"][key].split()
    ]
    assert [r.name for r in tested if versions.get(canonicalize_name(r.name), "") not in r.specifier] == []


# The wheel needs no more than it declares: neither nbdev nor any other tool of the workshop.

IMPORT_EVERYTHING = """
import pkgutil, sys
from importlib.metadata import entry_points

class Refuse:
    "Refuses what an environment with the wheel alone would not have."
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED or name == "fastcore.test":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.path.insert(0, TARGET)
sys.meta_path.insert(0, Refuse())
import deca_nb, matplotlib.pyplot
assert deca_nb.__file__.startswith(TARGET), deca_nb.__file__
for module in pkgutil.iter_modules(deca_nb.__path__, "deca_nb."):
    __import__(module.name)
for script in entry_points(group="console_scripts", name="deca"):
    script.load()
matplotlib.pyplot.style.use("deca_nb.figures")
"""


def closure(names: set[str]) -> set[str]:
    """The distributions that these need, themselves among them."""
    found, todo = set(), {canonicalize_name(name) for name in names}
    while todo:
        name = todo.pop()
        found.add(name)
        needed = map(Requirement, requires(name) or [])
        todo |= {
            canonicalize_name(r.name) for r in needed if not r.marker or r.marker.evaluate({"extra": ""})
        } - found
    return found


def refused_modules() -> set[str]:
    """The top-level modules of this environment that no run-time dependency brings."""
    wanted = closure({Requirement(line).name for line in SETTINGS["DEFAULT"]["requirements"].split()}) | {
        "deca-nb"
    }
    return {
        module
        for module, owners in packages_distributions().items()
        if not wanted & set(map(canonicalize_name, owners))
    }


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "checkout", ignore=IGNORED)
    build = ("wheel", ".", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    run(*PIP, *build, cwd=folder / "checkout")
    return next(folder.glob("deca_nb-*.whl"))


def test_wheel_imports_without_nbdev(wheel, tmp_path):
    target = tmp_path / "target"
    run(*PIP, "install", "--no-deps", "--target", target, wheel, cwd=tmp_path)
    refused = refused_modules()
    assert {"nbdev", "execnb", "pytest", "hypothesis"} <= refused
    run(
        sys.executable,
        "-c",
        f"REFUSED, TARGET = {refused!r}, {str(target)!r}\n{IMPORT_EVERYTHING}",
        cwd=tmp_path,
    )


def test_the_version_is_the_same_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited[1] == newest[1] == deca_nb.__version__ == HOUSE["version"]


def test_wheel_holds_what_a_type_checker_reads(wheel):
    held = zipfile.ZipFile(wheel).namelist()
    names = {name.removeprefix("deca_nb/") for name in held if name.startswith("deca_nb/")}
    assert "py.typed" in names
    modules = {name for name in names if name.endswith(".py") and not name.startswith("_modidx")}
    assert {f"{name}i" for name in modules} <= names


# A chapter that is opened alone, on Colab for example, installs the package first.

HOUSE = SETTINGS["DEFAULT"]
PACKAGE = "{repo}[book]@git+https://github.com/{user}/{repo}@{branch}".format(**HOUSE)
RESULTS = "https://raw.githubusercontent.com/{user}/{repo}/{branch}/results".format(**HOUSE)
LINKED = [path for path in MODULES if "[Open in Colab]" in path.read_text(encoding="utf-8")]
TWICE = """
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
assert find_spec("deca_nb") is None, find_spec("deca_nb")
shell.run_cell(CELL).raise_error()
invalidate_caches()
import deca_nb
assert Path(deca_nb.__file__).is_relative_to(TARGET), deca_nb.__file__
shell.run_line_magic = lambda *asked: 1 / 0
shell.run_cell(CELL).raise_error()
"""


def code_cells(notebook: Path) -> list[str]:
    """The sources of the code cells of a notebook."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.mark.parametrize("notebook", LINKED, ids=lambda path: path.stem)
def test_a_chapter_begins_by_installing_the_package(notebook):
    first = code_cells(notebook)[0]
    assert first == code_cells(LINKED[0])[0]
    assert first.startswith("#| hide\n") and len([line for line in first.splitlines() if line]) <= 4
    assert re.findall(r"[^\s\"']+://[^\s\"']+", first) == [PACKAGE]
    kept = re.findall(r"[^\s\"']+://raw[^\s\"']+", "\n".join(code_cells(notebook)))
    assert set(kept) <= {RESULTS}


def imported(cell: str) -> set[str]:
    """The packages that a cell imports when it runs."""
    nodes = ast.parse(cell).body
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)


def test_what_chapters_import_is_installed_with_the_book():
    wanted = [Requirement(line).name for key in ("", "book_") for line in HOUSE[f"{key}requirements"].split()]
    there, owners = closure(set(wanted)) | {"deca-nb"}, packages_distributions()
    names = {name for path in LINKED for cell in code_cells(path) for name in imported(cell)}
    missing = {name for name in names if not there & set(map(canonicalize_name, owners.get(name, [])))}
    assert "ir_measures" in names and missing == set()


def test_the_first_cell_installs_once(wheel, tmp_path):
    """Offline, and where no finder of an editable install lies: the wheel stands for the address."""
    cell, target = (
        code_cells(LINKED[0])[0].replace(PACKAGE, f"{HOUSE['repo']}[book]@{wheel.as_uri()}"),
        tmp_path / "target",
    )
    target.mkdir()
    site = Path(pytest.__file__).parents[1]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {"PYTHONPATH": os.pathsep.join([str(target), str(site)]), "PIP_TARGET": str(target)}
    env |= {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "IPYTHONDIR": str(tmp_path / "ipython")}
    script = f"CELL, TARGET = {cell!r}, {str(target)!r}\n{TWICE}"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
