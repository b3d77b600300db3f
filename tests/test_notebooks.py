"""Each chapter runs through nbdev_test in a fresh process, within a limit of processor time."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import nbformat
import pytest
from conftest import ROOT, data_folder

NOTEBOOKS = sorted((ROOT / "nbs").glob("*.ipynb"))
FLAGS = "slow data" if data_folder() else "slow"
LIMIT = 300  # seconds after which a notebook is stopped
PACE = 0.35  # processor seconds of the training in `slowness` on a fast laptop
GOAL = 60  # processor seconds that a chapter may take there


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


def children_seconds() -> float:
    """Processor seconds of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def slowness() -> float:
    """How many times as long as on a fast laptop a training of a chapter's size takes here and now."""
    from deca_nb.recipe import make_recipe
    from deca_nb.training import Run
    from deca_nb.worlds import World

    train = World(n_users=300, n_items=120, popularity_noise=0.0).sample().train
    recipe = make_recipe("GMF", "DeCA", {"epochs": 20, "batch_size": 256})
    seconds = []
    for _ in range(3):  # the first one also warms up
        start = time.process_time()
        Run(recipe, train).fit()
        seconds.append(time.process_time() - start)
    return median(seconds) / PACE


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter(notebook):
    before = children_seconds()
    result = nbdev_test(notebook)
    assert ran(result, notebook), result.stdout + result.stderr
    seconds = children_seconds() - before
    assert seconds < GOAL or seconds < GOAL * slowness()


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
