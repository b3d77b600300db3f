"""Each chapter runs through nbdev_test in a fresh process, within a time limit."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, data_folder

NOTEBOOKS = sorted((ROOT / "nbs").glob("*.ipynb"))
FLAGS = "slow data" if data_folder() else "slow"
LIMIT, GOAL = (
    120,
    90,
)  # seconds: what stops a notebook, and what one may take here: 60 on a laptop, and machines differ by half


def nbdev_test(notebook: Path, flags: str = FLAGS) -> subprocess.CompletedProcess:
    """Run one notebook alone, with the cells flagged `flags` too."""
    command = [
        Path(sys.executable).with_name("nbdev_test"),
        "--path",
        notebook,
        "--flags",
        flags,
        "--n_workers",
        "0",
        "--do_print",
    ]
    env = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=LIMIT)


def ran(result: subprocess.CompletedProcess, notebook: Path) -> bool:
    """Whether it passed after its last cell.

    Without a match, or for a notebook to be skipped, nbdev_test exits 0 as well.
    """
    return result.returncode == 0 and f"- Completed {notebook}" in result.stdout


def write_notebook(path: Path, *cells: str, **metadata) -> Path:
    """A notebook with these code cells."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "python3", "language": "python"}}
    nbformat.write(
        nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=kernel | metadata
        ),
        path,
    )
    return path


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter(notebook):
    start = time.monotonic()
    result = nbdev_test(notebook)
    assert ran(result, notebook), result.stdout + result.stderr
    assert time.monotonic() - start < GOAL


def test_there_are_chapters():
    assert NOTEBOOKS


@pytest.mark.parametrize("flag", ["slow", "data"])
def test_a_flagged_cell_runs_when_asked_for(tmp_path, flag):
    marker = tmp_path / "marker"
    notebook = write_notebook(tmp_path / "flagged.ipynb", f"#| {flag}\nopen({str(marker)!r}, 'w').close()")
    assert ran(nbdev_test(notebook, ""), notebook) and not marker.exists()
    assert ran(nbdev_test(notebook, "slow data"), notebook) and marker.exists()


@pytest.mark.parametrize("cell", ["assert 1 == 2", "raise SystemExit", "1 +"])
def test_a_failing_cell_fails_the_chapter(tmp_path, cell):
    notebook = write_notebook(tmp_path / "failing.ipynb", cell, "last = 1")
    assert not ran(nbdev_test(notebook), notebook)


def test_a_chapter_that_does_not_run_fails(tmp_path):
    missing = tmp_path / "missing.ipynb"
    assert not ran(nbdev_test(missing), missing)
