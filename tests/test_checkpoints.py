"""A training that is cut off and goes on comes to the same bytes: every model, every method, any moment."""

import io
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import trained_pairs

from deca_nb import baselines, denoising  # noqa: F401  their methods have names from here on
from deca_nb.checkpoints import UNFINISHED, KeptRun, fit_kept, is_kept, unfinished
from deca_nb.cli import main
from deca_nb.names import find, listed
from deca_nb.recipe import make_recipe
from deca_nb.recommender import Recommender
from deca_nb.training import Callback, Run, Trainer
from deca_nb.worlds import World

MODELS = ["MF", "GMF", "NeuMF", "CDAE", "LightGCN"]
METHODS = [name for name in listed("method") if not find("method", name).is_model]
NUMBERS = {"epochs": 3, "batch_size": 32, "patience": 2}
NOISE = {"noise": "given", "base": 0.02, "spread": 1.0, "h_prime": 0.6}  # not searched for but with MF


class CutOff(Exception):
    """Stands for a power cut."""


class Cut(Callback):
    """Cuts a training off some steps after it has begun or gone on; None never does."""

    def __init__(self, steps: int | None):
        self.left = steps

    def after_step(self, trainer):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise CutOff


@pytest.fixture(scope="module")
def split():
    return World(n_users=40, n_items=30, density=0.15, noise=0.05, seed=5).sample()


def outcome(trainer) -> tuple[dict, list]:
    """All weights and records, without seconds."""
    records = [{name: one[name] for name in one if name != "seconds"} for one in trainer.history]
    return trainer.method.state_dict(), records


def same(one: tuple, other: tuple):
    assert one[1] == other[1]
    assert one[0].keys() == other[0].keys()
    for name, weight in one[0].items():
        assert weight.equal(other[0][name]), name


def numbers_for(method: str, model: str) -> dict:
    if not find("method", method).has_steps:
        return {}
    return NUMBERS | (NOISE if "Channel" in method and model != "MF" else {})


@pytest.mark.parametrize(("model", "method"), trained_pairs(MODELS, METHODS))
def test_cut_off_at_any_step_every_training_comes_to_the_same_bytes(model, method, split, tmp_path):
    recipe = make_recipe(model, method, numbers_for(method, model), seed=1)
    draw = random.Random(f"{model} {method}")

    def run(steps: int | None) -> Run:
        return Run(recipe, split.train, split.valid, callbacks=[Cut(steps)])

    whole = outcome(run(None).fit())
    for _ in range(3):
        try:
            fit_kept(run(draw.randrange(6)), tmp_path, 0)
        except CutOff:
            continue
    same(outcome(fit_kept(run(None), tmp_path, 0)), whole)


@pytest.mark.parametrize("protocol", ["clean", "paper"])
def test_a_recommender_goes_on_by_itself(protocol, split, tmp_path):
    about = {"model": "CDAE", "method": "DeCA(p)", "protocol": protocol, "threads": 1} | NUMBERS
    whole = Recommender(**about).fit(split.train, split.valid)

    def stop(model, record):
        if record["epoch"] == 2:
            raise CutOff

    with pytest.raises(CutOff):
        Recommender(**about).fit(split.train, split.valid, on_epoch=stop, checkpoint=tmp_path)
    assert is_kept(whole.run(), tmp_path)
    found = Recommender(**about).fit(split.train, split.valid, on_epoch=print, checkpoint=tmp_path)
    same(outcome(found_trainer(found)), outcome(found_trainer(whole)))
    assert list(tmp_path.iterdir()) == []


class found_trainer:
    """What `outcome` looks at, of a recommender."""

    def __init__(self, recommender: Recommender):
        self.method, self.history = recommender.trained, recommender.history.to_dict("records")


def train_and_write(folder: str, recipe, split):
    """A training with a state every step, and its weights in a file at its end."""
    torch.set_num_threads(1)
    weights, _ = outcome(fit_kept(Run(recipe, split.train, split.valid), Path(folder), 0))
    data = io.BytesIO()
    torch.save(weights, data)
    Path(folder, "weights").write_bytes(data.getvalue())


@pytest.mark.parametrize("model", ["GMF", "LightGCN"])
def test_killed_at_random_moments_it_comes_to_the_same_bytes(model, split, tmp_path):
    recipe = make_recipe(model, "DeCA(p)", {"epochs": 40, "batch_size": 32, "patience": 40}, seed=2)
    draw, context = random.Random(0), multiprocessing.get_context("fork")
    whole = outcome(Run(recipe, split.train, split.valid).fit())[0]
    for _ in range(5):
        process = context.Process(target=train_and_write, args=(str(tmp_path), recipe, split))
        process.start()
        time.sleep(draw.uniform(0.02, 0.2))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    process = context.Process(target=train_and_write, args=(str(tmp_path), recipe, split))
    process.start()
    process.join()
    assert process.exitcode == 0
    found = torch.load(io.BytesIO((tmp_path / "weights").read_bytes()), weights_only=True)
    assert all(weight.equal(found[name]) for name, weight in whole.items())


def test_a_state_of_other_data_or_another_version_is_left_alone(split, tmp_path, monkeypatch, caplog):
    run = Run(make_recipe("MF", "Normal", NUMBERS), split.train, split.valid)
    fit_kept(run, tmp_path, 0)
    monkeypatch.setattr("deca_nb.__version__", "0.0")
    again = KeptRun(run.recipe, split.train, split.valid, folder=tmp_path).trainer()
    assert again.n_steps == 0 and "was kept by deca_nb" in caplog.text
    assert unfinished(tmp_path, run.recipe.key()).is_file()


# The command.


@pytest.fixture
def clicks(tmp_path) -> Path:
    """A small file of clicks."""
    rng = np.random.default_rng(0)
    rows = {(int(user), int(item)) for user, item in rng.integers(0, 40, (600, 2))}
    path = tmp_path / "clicks.csv"
    path.write_text("user,item\n" + "".join(f"u{user},i{item}\n" for user, item in sorted(rows)))
    return path


def deca(monkeypatch, *words) -> int:
    """`deca` in this process: its exit code."""
    monkeypatch.setattr("sys.argv", ["deca", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def cut_after(monkeypatch, epochs: int):
    """From now on trainings are cut off after so many epochs in all."""
    left, whole = [epochs], Trainer.epoch

    def epoch(trainer):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return whole(trainer)

    monkeypatch.setattr(Trainer, "epoch", epoch)


COMMANDS = {
    "train": ["train", "--method", "DeCA(p)", "--epochs", 4, "--batch-size", 64],
    "compare": ["compare", "--methods", "Normal,DeCA(p)", "--epochs", 4, "--batch-size", 64],
    "tune": ["tune", "--methods", "MostPopular,DeCA", "--trials", 2, "--seeds", 1, "--epochs", 4],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_cut_off_goes_on(name, clicks, tmp_path, monkeypatch, capsys):
    words = [*COMMANDS[name], "--data", clicks]
    assert deca(monkeypatch, *words, "--out", tmp_path / "whole") == 0
    printed = capsys.readouterr().out.replace("whole", "cut")
    words += ["--out", tmp_path / "cut"]
    assert deca(monkeypatch, *words, "--resume") == 2
    assert "--resume out to begin" in capsys.readouterr().err
    with monkeypatch.context() as patched:
        cut_after(patched, 3 if name == "tune" else 6)
        patched.setattr("sys.argv", ["deca", *map(str, words)])
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            main()
    assert "kept" in capsys.readouterr().err
    assert deca(monkeypatch, *words, "--resume") == 0
    assert capsys.readouterr().out == printed
    assert not list((tmp_path / "cut").rglob(f"{UNFINISHED}*"))
