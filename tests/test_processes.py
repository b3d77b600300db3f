"""One model trained by several processes: as by one, gone on with after a loss, refused where it cannot be.

All processes are forked from a server that has imported the package once.
"""

import multiprocessing
import os
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from conftest import exit_codes, numbers_of

from deca_nb.checkpoints import UNFINISHED, load_state, save_state
from deca_nb.cli import main
from deca_nb.processes import Group, SharedRun
from deca_nb.recipe import make_recipe
from deca_nb.recommender import Recommender
from deca_nb.training import Run
from deca_nb.worlds import World

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["deca_nb.commands"])


def start(function, *given) -> multiprocessing.Process:
    """A process that calls the function."""
    process = SERVER.Process(target=function, args=given)
    process.start()
    return process


# Two processes come to what one comes to.

CASES = [
    (model, method, {"optimiser": optimiser, "batch_size": 100, "epochs": 3})
    for model in ("MF", "GMF", "NeuMF")
    for method in ("Normal", "DeCA", "DeCA(p)")
    for optimiser in ("dense", "row-sparse")
]
# Some batches of 4 have nothing for one of the processes.
FEW = {"batch_size": 4, "epochs": 1}
CASES += [("GMF", "DeCA", FEW | {"optimiser": name}) for name in ("dense", "row-sparse")]


def trained(run: Run) -> dict:
    """Weights and records of a run."""
    trainer = run.fit()
    records = [{name: value for name, value in one.items() if name != "seconds"} for one in trainer.history]
    return {"weights": trainer.method.state_dict(), "records": records}


def train_all(folder: str, rank: int | None):
    """Every case in double precision, alone or as one of two processes."""
    split = World(n_users=80, n_items=50, density=0.1, noise=0.04, seed=2).sample()
    group = None
    if rank is not None:
        dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
        group = Group()
    found = []
    for model, method, numbers in CASES:
        recipe = make_recipe(model, method, {"patience": 1, "l2": 0.1} | numbers)
        data = recipe, split.train, split.valid
        with numbers_of(torch.float64):
            found.append(trained(SharedRun(*data, group=group) if group else Run(*data)))
    save_state(f"{folder}/{rank}", found)


def test_two_processes_equal_one(tmp_path):
    assert exit_codes([start(train_all, str(tmp_path), rank) for rank in (None, 0, 1)]) == [0, 0, 0]
    alone, first, second = (load_state(tmp_path / str(rank)) for rank in (None, 0, 1))
    for case, one, ours, theirs in zip(CASES, alone, first, second, strict=True):
        for name, weight in one["weights"].items():
            found = ours["weights"][name]
            torch.testing.assert_close(found, weight, rtol=0, atol=1e-10, msg=f"{case} {name}")
            assert torch.equal(found, theirs["weights"][name]), (case, name)
        assert ours["records"] == [pytest.approx(record, abs=1e-9) for record in one["records"]], case


def lose_one_while_it_is_kept(folder: str, rank: int):
    """A training of two processes, of which one ends as soon as it sees the state of the first epoch."""
    os.chdir(folder)
    os.dup2(os.open(f"said-{rank}", os.O_WRONLY | os.O_CREAT), 2)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    whole, kept = Group.summed, Path("kept")

    def summed(group, tensor):
        if rank and tensor.shape == (1,) and not tensor.any():  # here all wait until it is written
            while not kept.is_dir() or not list(kept.glob(f"{UNFINISHED}*")):
                time.sleep(0.01)
            os._exit(9)
        return whole(group, tensor)

    Group.summed = summed
    split = World(n_users=80, n_items=50, density=0.1, noise=0.04, seed=2).sample()
    recipe = make_recipe("GMF", "DeCA", {"epochs": 3, "batch_size": 500})
    SharedRun(recipe, split.train, split.valid, group=Group(), folder=kept).fit()


def test_what_is_said_of_the_kept_epoch_is_true_at_once(tmp_path):
    assert exit_codes([start(lose_one_while_it_is_kept, str(tmp_path), rank) for rank in (0, 1)]) == [1, 9]
    [state] = (tmp_path / "kept").iterdir()
    assert state.name.startswith(UNFINISHED)
    assert "epoch 1 of DeCA is kept in kept, and" in (tmp_path / "said-0").read_text()


# The command.


@pytest.fixture(scope="module")
def clicks(tmp_path_factory) -> Path:
    """A small file of clicks."""
    rng = np.random.default_rng(0)
    pairs = sorted(set(zip(rng.integers(0, 90, 1500).tolist(), rng.zipf(1.4, 1500).tolist(), strict=True)))
    path = tmp_path_factory.mktemp("clicks") / "clicks.csv"
    path.write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in pairs if item <= 60))
    return path


def deca(words: list[str], rank: int, environment: dict):
    """`deca` with these words, as torchrun starts it. What it says goes into files in its folder."""
    os.environ.update(environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
    for number, name in enumerate(("out", "err"), start=1):
        said = os.open(f"said-{rank}-{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, number)
    sys.argv = ["deca", *words]
    main()


def together(folder: Path, words: list[str], n: int = 2) -> list[multiprocessing.Process]:
    """That many processes of one command, in that folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    meet = {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [start(deca_in, str(folder), words, rank, meet) for rank in range(n)]


def deca_in(folder: str, *given):
    """`deca` with another working folder."""
    os.chdir(folder)
    deca(*given)


def tensors(folder: Path) -> dict[str, bytes]:
    """The files of tensors in a folder."""
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def test_a_killed_training_goes_on(tmp_path, clicks):
    numbers = ["--batch-size", "64", "--epochs", "15", "--patience", "15"]
    words = ["train", "--data", str(clicks), *numbers, "--out", "model"]
    broken, whole, alone = (tmp_path / name for name in ("broken", "whole", "alone"))
    processes = together(broken, words)
    while not list(broken.glob(f"model/{UNFINISHED}*")) and all(one.is_alive() for one in processes):
        time.sleep(0.01)
    processes[1].kill()
    assert exit_codes(processes) == [1, -9]
    said = (broken / "said-0-err").read_text().splitlines()
    assert len(said) == 3 and "epoch" in said[2] and "the same command goes on from there" in said[2]

    started = [*together(whole, words), *together(alone, words, n=1)]
    assert exit_codes(started) == [0, 0, 0]
    assert exit_codes(together(broken, words)) == [0, 0]
    assert tensors(broken / "model") == tensors(whole / "model")
    assert {path.suffix for path in (broken / "model").iterdir()} == {".json", ".safetensors", ".toml"}
    assert (broken / "said-1-out").read_text() + (broken / "said-1-err").read_text() == ""

    ours, theirs = (Recommender.load(folder / "model") for folder in (whole, alone))
    assert ours.recipe == theirs.recipe
    for name, weight in theirs.trained.state_dict().items():
        torch.testing.assert_close(ours.trained.state_dict()[name], weight, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["train", "--model", "LightGCN", "--out", "no"], "choose MF, GMF or NeuMF"),
        (["train", "--method", "T-CE", "--out", "no"], "choose Normal or DeCA"),
        (["train", "--protocol", "paper", "--out", "no"], "take protocol clean"),
        (["audit"], "deca audit runs in one process"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_several_processes_cannot_do_is_refused(tmp_path, clicks, words, why):
    meet = {"WORLD_SIZE": "2"}
    words = [words[0], "--data", str(clicks), *words[1:]]
    assert exit_codes([start(deca_in, str(tmp_path), words, rank, meet) for rank in range(2)]) == [2, 2]
    said = (tmp_path / "said-0-err").read_text().splitlines()
    refused = [line for line in said if line.startswith("deca: ")]
    assert len(refused) == 1 and why in refused[0]
    assert (tmp_path / "said-1-err").read_text() == ""
    assert not (tmp_path / "no").exists()
