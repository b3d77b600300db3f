"""An odd start: Ctrl-C before a command has begun, a backend that is not there, a world too large."""

import configparser
import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from deca_nb import cli, worlds
from deca_nb.datasets import load_data
from deca_nb.interactions import InputError
from deca_nb.worlds import World

STOPPED = """
import os, runpy, signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored

class Finder:
    def find_spec(name, path=None, target=None):
        if name == {name!r}: os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
sys.argv = ["deca", "audit", "--data", "world"]
runpy.run_module("deca_nb", run_name="__main__")
"""


@pytest.mark.parametrize("name", ["typer", "deca_nb.commands", "numpy", "deca_nb.recommender"])
def test_ctrl_c_while_modules_are_imported(name):
    done = subprocess.run([sys.executable, "-c", STOPPED.format(name=name)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "deca: stopped.\n")


def test_ctrl_c_in_a_callback_of_python_is_heard():
    code = """
import os, signal, sys, time
from deca_nb import cli

class Goes:
    def __del__(self): os.kill(os.getpid(), signal.SIGINT)

def app(*_, **how):
    Goes()
    time.sleep(5)
    print("not stopped")

signal.signal(signal.SIGINT, signal.default_int_handler)
cli.make_app = lambda words: app
sys.argv = ["deca", "audit"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "deca: stopped.\n")


def test_the_command_starts_in_a_module_that_imports_next_to_nothing():
    settings = configparser.ConfigParser(delimiters=["="])
    settings.read(ROOT / "settings.ini")
    assert settings["DEFAULT"]["console_scripts"].strip() == "deca=deca_nb.__main__:main"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import signal; had = set(sys.modules)"
    code += "; import deca_nb.__main__; print(*set(sys.modules) - had)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"deca_nb", "deca_nb.__main__"}


DRAWN = """
import os
from deca_nb import experiments, explorer, figures, interpretation, tune
from deca_nb.files import InputError

for backend in ("nonsense", "module://not.there", "gtk4agg"):
    os.environ["MPLBACKEND"] = backend
    try: interpretation.pyplot()
    except InputError as error: print(error)
os.environ["MPLBACKEND"] = "Agg"
print(interpretation.pyplot().get_backend())
"""


def test_a_backend_that_is_not_there_is_told_when_something_is_drawn():
    env = os.environ | {"MPLBACKEND": "nonsense"}
    done = subprocess.run([sys.executable, "-c", DRAWN], env=env, capture_output=True, text=True, check=True)
    *told, backend = done.stdout.splitlines()
    assert len(told) == 3 and all(len(line) < 250 for line in told) and backend.lower() == "agg"
    assert (
        told[0]
        == "MPLBACKEND=nonsense: matplotlib cannot draw with it here; unset it, or set it to Agg for files."
    )


def test_commands_draw_to_files_whatever_the_backend(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    monkeypatch.setattr(sys, "argv", ["deca", "--version"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0 and os.environ["MPLBACKEND"] == "Agg"


@pytest.mark.parametrize(
    "sizes",
    [
        {"n_users": 10**6, "n_items": 10**6},
        {"n_users": 2**62, "n_items": 2},
        {"n_users": 2, "n_items": 10**12},
        {"n_users": 3 * 10**5, "n_items": 3 * 10**5, "rank": 2},
        {"rank": 10**12},
    ],
    ids=str,
)
def test_a_world_that_memory_cannot_hold_is_refused_at_once(sizes, monkeypatch, capsys):
    monkeypatch.setattr(worlds, "normals", None)  # nothing is drawn
    monkeypatch.setattr(worlds, "machine_memory", lambda: 2**36)
    for make in (World.sample, World.clicks):
        with pytest.raises(InputError, match=r"GiB of memory.*; lower n_users, n_items") as caught:
            make(World(**sizes))
        assert len(str(caught.value)) < 250
    monkeypatch.setattr(sys, "argv", ["deca", "audit", "--data", f"world:{json.dumps(sizes)}"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(str(caught.value)) and len(line) < 300


def test_a_large_world_that_memory_holds_is_not_refused(monkeypatch):
    monkeypatch.setattr(worlds, "machine_memory", lambda: 2**30)
    assert len(load_data("world").train) > 0
    worlds.need_memory(World(n_users=10**5, n_items=10**2))
    with pytest.raises(InputError):
        worlds.need_memory(World(n_users=10**6, n_items=10**3))
