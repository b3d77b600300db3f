"""What every test shares: where the authors' files lie, and an account of what was left out without them."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REQUIRE_ALL = os.environ.get("DECA_REQUIRE_ALL") == "1"
LEFT_OUT = pytest.StashKey[list[str]]()


def data_folder() -> Path | None:
    """The folder that $DECA_DATA names, or None where it is unset."""
    return Path(os.environ["DECA_DATA"]) if os.environ.get("DECA_DATA") else None


@pytest.fixture(scope="session")
def deca_data() -> Path:
    """The folder of the authors' files; a test that takes it carries the marker `data`."""
    return data_folder()


def must_not_skip(reporter) -> bool:
    """Whether a test was skipped in the full run."""
    return REQUIRE_ALL and bool(reporter.stats.get("skipped"))


def pytest_configure(config):
    """Refuse a folder that is not there, and the full run without one."""
    folder = data_folder()
    if folder and not folder.is_dir():
        raise pytest.UsageError(f"DECA_DATA names {folder}, which is not a folder: point it at the authors' files, or unset it.")
    if REQUIRE_ALL and not folder:
        raise pytest.UsageError("DECA_REQUIRE_ALL=1 leaves nothing out, so DECA_DATA must name the authors' files.")
    config.stash[LEFT_OUT] = []


def pytest_collection_modifyitems(config, items):
    """Leave out what needs the authors' files where there are none."""
    if data_folder():
        return
    left_out = [item for item in items if item.get_closest_marker("data")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    config.stash[LEFT_OUT] += [item.nodeid for item in left_out]


def pytest_terminal_summary(terminalreporter, config):
    """Say what was left out, and why a skipped test has failed the run."""
    if must_not_skip(terminalreporter):
        terminalreporter.line("DECA_REQUIRE_ALL=1: a skipped test is a failure", red=True)
    if data_folder():
        return
    terminalreporter.section("left out, for want of the authors' files (set DECA_DATA)")
    terminalreporter.line("cells of the chapters flagged `#| data`")
    for nodeid in config.stash[LEFT_OUT]:
        terminalreporter.line(nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """In the full run a skipped test is a failure."""
    if must_not_skip(session.config.pluginmanager.getplugin("terminalreporter")):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
