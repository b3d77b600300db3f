"""What every test shares.

Where the authors' files lie, one browser, one built site, and an account of what was left out.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
CHROMIUM_FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
SITE_NEEDS = ("sphinx", "myst_nb", "furo", "sphinx_copybutton")
REQUIRE_ALL = os.environ.get("DECA_REQUIRE_ALL") == "1"
LEFT_OUT, NO_GPU = pytest.StashKey[list[str]](), pytest.StashKey[int]()
CHAPTER = "tests/test_notebooks.py::test_chapter["

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def exit_codes(processes: list) -> list[int]:
    """What the processes end with; none is left behind."""
    try:
        for process in processes:
            process.join(100)
        return [process.exitcode for process in processes]
    finally:
        for process in processes:
            process.kill()


def data_folder() -> Path | None:
    """The folder that $DECA_DATA names, or None where it is unset."""
    return Path(os.environ["DECA_DATA"]) if os.environ.get("DECA_DATA") else None


def model_for(method: str, model: str = "MF") -> str:
    """The model, or the first that the method trains where it does not train every one."""
    from deca_nb.names import find
    from deca_nb.recipe import is_trained_by

    return model if is_trained_by(model, method) else find("method", method).models[0]


def trained_pairs(models: list[str], methods: list[str]) -> list[tuple[str, str]]:
    """Each model with each method that trains it."""
    return [(model, method) for method in methods for model in models if model_for(method, model) == model]


@pytest.fixture(scope="session")
def deca_data() -> Path:
    """The folder of the authors' files; a test that takes it carries the marker `data`."""
    return data_folder()


def run_script(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess:
    """Run one of our scripts on one core."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    missing = [name for name in SITE_NEEDS if find_spec(name) is None] + (
        [] if shutil.which("npm") else ["npm"]
    )
    if missing:
        pytest.skip(f"the site needs {', '.join(missing)}: pip install -e '.[docs]', and Node.js for npm")
    result = run_script(ROOT / "docs" / "build.py")
    assert result.returncode == 0, result.stdout + result.stderr
    return ROOT / "docs" / "_build" / "html"


@pytest.fixture(scope="session")
def browser():
    """Chromium."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("there is no chromium here; on Debian: apt-get install chromium fonts-dejavu-core")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@contextlib.contextmanager
def numbers_of(dtype):
    """Weights and labels of every training within the block have that type; they start as in float32."""
    from dataclasses import replace

    from deca_nb.processes import SharedTrainer
    from deca_nb.training import Run, Trainer

    def build(run, *about, **sizes):
        return built(run, *about, **sizes).to(dtype)

    def with_labels(gradients):
        return lambda trainer, batch: gradients(trainer, replace(batch, observed=batch.observed.to(dtype)))

    built = Run.build
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Run, "build", build)
        for cls in (Trainer, SharedTrainer):
            patched.setattr(cls, "gradients", with_labels(cls.gradients))
        yield


def must_not_skip(reporter) -> bool:
    """Whether a test was skipped in the full run; a worker has no reporter, since another process reports."""
    return REQUIRE_ALL and reporter is not None and bool(reporter.stats.get("skipped"))


def pytest_configure(config):
    """Refuse a folder that is not there, and the full run without one."""
    folder = data_folder()
    if folder and not folder.is_dir():
        raise pytest.UsageError(
            f"DECA_DATA names {folder}, which is not a folder: point it at the authors' files, or unset it."
        )
    if REQUIRE_ALL and not folder:
        raise pytest.UsageError(
            "DECA_REQUIRE_ALL=1 leaves nothing out, so DECA_DATA must name the authors' files."
        )
    config.stash[LEFT_OUT], config.stash[NO_GPU] = [], 0


def has_gpu() -> bool:
    """Whether there is a CUDA device."""
    import torch

    return torch.cuda.is_available()


def leave_out(config, items, marker: str) -> list[str]:
    """Deselects the tests with a marker: their ids."""
    left_out = [item for item in items if item.get_closest_marker(marker)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    return [item.nodeid for item in left_out]


def pytest_collection_modifyitems(config, items):
    """Leave out what needs the authors' files, or a GPU, where there are none."""
    if not data_folder():
        config.stash[LEFT_OUT] += leave_out(config, items, "data")
    wanted = any(item.get_closest_marker("gpu") for item in items)
    if wanted and not has_gpu():
        config.stash[NO_GPU] = len(leave_out(config, items, "gpu"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Side by side: a file as a whole, so that it makes what its tests share once; each chapter by itself."""
    from xdist.scheduler import LoadScopeScheduling

    class FilesAndChapters(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return nodeid if nodeid.startswith(CHAPTER) else nodeid.partition("::")[0]

    return FilesAndChapters(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """What a worker left out is told by the process that reports."""
    told, output = node.config.stash[LEFT_OUT], getattr(node, "workeroutput", {})
    told += [nodeid for nodeid in output.get("left_out", []) if nodeid not in told]
    node.config.stash[NO_GPU] = output.get("no_gpu", 0)


def pytest_terminal_summary(terminalreporter, config):
    """Say what the tests counted, what was left out, and why a skipped test has failed the run."""
    for report in terminalreporter.stats.get("passed", []):
        for table in (text for name, text in report.user_properties if name == "table"):
            terminalreporter.section(report.nodeid)
            terminalreporter.write_line(table)
    if must_not_skip(terminalreporter):
        terminalreporter.line("DECA_REQUIRE_ALL=1: a skipped test is a failure", red=True)
    if config.stash[NO_GPU]:
        terminalreporter.line(f"{config.stash[NO_GPU]} tests left out, for want of a GPU (make gpu)")
    if data_folder():
        return
    terminalreporter.section("left out, for want of the authors' files (set DECA_DATA)")
    terminalreporter.line("cells of the chapters flagged `#| data`")
    for nodeid in config.stash[LEFT_OUT]:
        terminalreporter.line(nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """In the full run a skipped test is a failure. A worker hands over what it left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash[LEFT_OUT]
        session.config.workeroutput["no_gpu"] = session.config.stash[NO_GPU]
    if must_not_skip(session.config.pluginmanager.getplugin("terminalreporter")):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
