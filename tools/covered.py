"""What of the package the chapters and tests run: `make coverage`, half an hour.

Every process is measured, those that the tests start, too. It prints the statements of each module and how
many were run, and the lines on errors that were not; with `--out` both are written as tables. Ctrl-C ends the
measuring: what was run until then is counted, and the next call goes on from there.

A line is counted as a whole: one that asks and raises counts as run where it only asked.
"""

import argparse
import ast
import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "deca_nb"
PARTS = ROOT / "build" / "coverage"  # what was measured, until all is
BIN = Path(sys.executable).parent
# Tests of the site, of the book's shape, of speed, of clusters: they run next to nothing that others do not.
LEFT_OUT = (
    "book browser docs fast fast_models golden gpu house notebooks processes ray site speed types".split()
)
SETTINGS = """[run]
source = {package}
omit = */_modidx.py
data_file = {folder}/data
parallel = True
concurrency = thread, multiprocessing
sigterm = True

[report]
exclude_also =
    if __name__ == .__main__.:
"""
MODULES, ERRORS = ("module", "statements", "covered", "per cent"), ("module", "function", "not run")


def measured(folder: Path) -> dict[str, str]:
    """The environment in which each Python process measures itself."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings").write_text(SETTINGS.format(package=PACKAGE, folder=folder), encoding="utf-8")
    (folder / "sitecustomize.py").write_text(
        "import coverage\n\ncoverage.process_startup()\n", encoding="utf-8"
    )
    path = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    where = {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "COVERAGE_PROCESS_START": f"{folder}/settings",
    }
    return os.environ | where | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


def pieces() -> dict[str, list]:
    """The commands that are measured, by name: a file of tests each, then a chapter each."""
    left_out = {f"test_{name}" for name in LEFT_OUT}
    tests = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if path.stem not in left_out]
    by_pytest = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "not alone and not gpu",
        "-p",
        "no:cacheprovider",
    ]
    flags = "slow data" if os.environ.get("DECA_DATA") else "slow"
    by_nbdev = [BIN / "nbdev_test", "--flags", flags, "--n_workers", "0", "--path"]
    chapters = sorted((ROOT / "nbs").glob("*.ipynb"))
    return {path.stem: [*by_pytest, path] for path in tests} | {
        path.stem: [*by_nbdev, path] for path in chapters
    }


def run(folder: Path, env: dict[str, str]):
    """Runs what was not run before, and notes how it ended: some tests do not bear being measured."""
    before = ended(folder)
    for name, command in pieces().items():
        if name in before:
            continue
        try:
            code = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=600).returncode
        except subprocess.TimeoutExpired:
            code = "stopped after 600 s"
        except KeyboardInterrupt:
            return
        with (folder / "ended").open("a", encoding="utf-8") as file:
            file.write(f"{name} {code or 'ran'}\n")
        print(f"{name}: {code or 'ran'}", file=sys.stderr, flush=True)


def ended(folder: Path) -> dict[str, str]:
    """How each piece ended that was run."""
    path = folder / "ended"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return dict(line.split(" ", 1) for line in lines)


def missed(folder: Path, env: dict[str, str]) -> dict[str, dict]:
    """Of each file what coverage says: its summary, and the lines that were not run."""
    env = {name: value for name, value in env.items() if name != "COVERAGE_PROCESS_START"}
    tool = [sys.executable, "-m", "coverage"]
    rc = f"--rcfile={folder}/settings"
    subprocess.run([*tool, "combine", "--keep", "--quiet", rc], env=env, cwd=ROOT, check=True)
    subprocess.run([*tool, "json", "--quiet", rc, "-o", folder / "all.json"], env=env, cwd=ROOT, check=True)
    return json.loads((folder / "all.json").read_text(encoding="utf-8"))["files"]


def error_lines(source: str, lines: set[int]) -> Iterator[tuple[str, str]]:
    """Of these lines those on an error, a `raise` or what `except` holds: function and text."""
    tree, text = ast.parse(source), source.splitlines()
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    caught = {
        statement.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        for statement in node.body
    }
    raised = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.Raise)}
    for line in sorted(lines & (caught | raised)):
        around = [node for node in functions if node.lineno <= line <= node.end_lineno]
        name = max(around, key=lambda node: node.lineno).name if around else ""
        yield name, text[line - 1].strip()


def tables(files: dict[str, dict]) -> tuple[list[tuple], list[tuple]]:
    """The rows of both tables."""
    modules, errors = [], []
    for name, found in sorted(files.items()):
        told, module = found["summary"], Path(name).stem
        n, covered = told["num_statements"], told["covered_lines"]
        if n:
            modules.append((module, n, covered, f"{100 * covered / n:.1f}"))
        source = (ROOT / name).read_text(encoding="utf-8")
        errors += [(module, *one) for one in error_lines(source, set(found["missing_lines"]))]
    n, covered = (sum(row[i] for row in modules) for i in (1, 2))
    return [*modules, ("all", n, covered, f"{100 * covered / n:.1f}")], errors


def write(path: Path, columns: tuple, rows: list[tuple]):
    """A table as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="folder for the tables")
    options = parser.parse_args()
    if find_spec("coverage") is None:
        sys.exit("there is no package coverage in this environment; pip install coverage brings it.")
    env = measured(PARTS)
    run(PARTS, env)
    modules, errors = tables(missed(PARTS, env))
    how = [(name, ended(PARTS).get(name, "not run")) for name in pieces()]
    for module, n, covered, share in [MODULES, *modules]:
        print(f"{module:<16}{n:>12}{covered:>9}{share:>10}")
    print(f"\n{len(errors)} lines on errors were not run" + (":" if errors else "."))
    for module, function, text in errors:
        print(f"  {module}.{function}: {text}")
    if options.out:
        write(options.out / "modules.csv", MODULES, modules)
        write(options.out / "errors-not-run.csv", ERRORS, errors)
        write(options.out / "pieces.csv", ("piece", "ended"), how)
    if all(one != "not run" for _, one in how):
        shutil.rmtree(PARTS)


if __name__ == "__main__":
    main()
