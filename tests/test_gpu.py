"""On a GPU the same numbers come out as on the CPU, and no step makes the CPU wait for it.

Where there is no GPU, these tests are left out (`tests/conftest.py`). The same is tried on the CPU, so that
it is known to run, and with tensors that have no numbers.
"""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, numbers_of
from test_serving import deca

from deca_nb.baselines import ByPopularity
from deca_nb.batches import AnyItem, Batch, RowBatches, TrueNegatives
from deca_nb.checkpoints import state_to_bytes, take_up
from deca_nb.evaluation import evaluate
from deca_nb.names import find, listed
from deca_nb.recipe import make_recipe
from deca_nb.recommender import Recommender, pick_device
from deca_nb.runs import Job, Runs, recovery, sweep, versions
from deca_nb.together import Together
from deca_nb.training import Follow, Run, Trainer, second_rise
from deca_nb.worlds import World, ten_clicks

MADE = World(n_users=120, n_items=80, noise=0.05, seed=1)
WORLD = MADE.sample()
MODELS, METHODS = ("MF", "GMF", "NeuMF", "LightGCN", "CDAE"), ("Normal", "DeCA", "DeCA(p)")
DEVICES = ("cpu", pytest.param("cuda", marks=pytest.mark.gpu))
on_each_device = pytest.mark.parametrize("device", DEVICES)


def run_on(device: str, model: str, method: str, **numbers) -> Run:
    """A short run, in which CDAE drops nothing: the GPU would drop something else."""
    sizes = {"corruption": 0.0} if model == "CDAE" else {}
    numbers = {"epochs": 1, "batch_size": 256, "l2": 0.01} | sizes | numbers
    return Run(make_recipe(model, method, numbers), WORLD.train, WORLD.valid, device)


def trainer_of(run: Run) -> Trainer:
    """What trains; a prior is there, but untrained."""
    method = run.untrained()
    optimiser = find("optimiser", run.settings.optimiser)(method, run.settings.learning_rate)
    return Trainer(method, run.batches(), run.penalty(), optimiser, 1, run.generator)


def moved(batch: Batch, device: str) -> Batch:
    """The batch on a device."""
    parts = (getattr(batch, field.name) for field in fields(batch))
    return Batch(*(None if part is None else part.to(device) for part in parts))


def weights_after(device: str, model: str, method: str) -> dict[str, torch.Tensor]:
    """The weights after an epoch on the batches that the CPU draws."""
    trainer, here = trainer_of(run_on(device, model, method)), run_on("cpu", model, method)
    for batch in here.batches().epoch(here.generator):
        trainer.step(moved(batch, device))
    return {name: weight.cpu() for name, weight in trainer.method.state_dict().items()}


@pytest.fixture
def rounding(request):
    """The tolerance: NeuMF in 64 bits, for Adam makes a whole step of a gradient that is only rounding."""
    if request.node.callspec.params["model"] != "NeuMF":
        yield {"rtol": 1e-3, "atol": 2e-5}
        return
    with numbers_of(torch.float64):
        yield {"rtol": 1e-6, "atol": 1e-8}


@on_each_device
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", MODELS)
def test_the_same_batches_give_the_same_weights(model, method, device, rounding):
    found, expected = weights_after(device, model, method), weights_after("cpu", model, method)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, **rounding, msg=name)


@on_each_device
@pytest.mark.parametrize("sampler", [TrueNegatives, ByPopularity])
def test_what_is_drawn_there_is_free(sampler, device):
    users = torch.arange(WORLD.n_users, device=device).repeat_interleave(200)
    drawn = sampler(WORLD.train, device).draw(users, torch.Generator(device).manual_seed(0))
    assert {part.device.type for part in drawn} == {device}
    users, items = (part.cpu().numpy() for part in drawn)
    assert not np.isin(users * WORLD.n_items + items, WORLD.train.keys()).any()
    assert len(np.unique(items)) > WORLD.n_items // 2


@on_each_device
def test_a_batch_is_where_it_is_asked_for(device):
    for model in ("GMF", "CDAE"):
        run = run_on(device, model, "Normal")
        for batch in run.batches().epoch(run.generator):
            keys = (batch.users * WORLD.n_items + batch.items).cpu().numpy()
            parts = [getattr(batch, field.name) for field in fields(batch)]
            assert {part.device.type for part in parts if part is not None} == {device}
            assert (np.isin(keys, WORLD.train.keys()) == (batch.observed > 0).cpu().numpy()).all()
    _, items = AnyItem(WORLD.train, device).draw(batch.users, run.generator)
    assert items.device.type == device and int(items.max()) < WORLD.n_items


@on_each_device
def test_a_user_who_has_every_item_gets_no_negative(device):
    crowded = replace(
        WORLD.train,
        **{"users": np.repeat([0, 1], [80, 1]), "items": np.append(np.arange(80), 3)},
        **{name: None for name in ("ratings", "timestamps", "noise")},
    )
    generator = torch.Generator(device).manual_seed(0)
    users, _ = TrueNegatives(crowded, device).draw(torch.tensor([0, 1, 0], device=device), generator)
    assert users.tolist() == [1]
    assert sorted(len(batch.users) for batch in RowBatches(crowded, 1, device).epoch(generator)) == [2, 80]


# No step waits.

PAIR_MODELS, ON_PAIRS = ("MF", "GMF", "NeuMF", "LightGCN"), ("DeCA", "DeCA(p)", "WBPR", "T-CE")


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("method", ON_PAIRS)
@pytest.mark.parametrize("model", PAIR_MODELS)
def test_no_step_waits(model, method):
    trainer = trainer_of(run_on("cuda", model, method, batch_size=64))
    batches = trainer.batches.epoch(trainer.generator)
    for _ in range(2):  # the first of each kind may put things in their place
        trainer.step(next(batches))
    try:
        torch.cuda.set_sync_debug_mode("error")
        for _ in range(2):
            trainer.step(next(batches))
    finally:
        torch.cuda.set_sync_debug_mode("default")


# The same without a GPU: tensors that have a shape and a device, but no numbers. A step that asks for a
# number, or for what has as many elements as numbers say, fails, and so does one that mixes devices.

NO_NUMBERS = """
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import test_gpu
from deca_nb.names import find

_setup_privateuseone_for_python_backend("npy")
mode = FakeTensorMode(allow_non_fake_inputs=True)

def there(tensor): return FakeTensor(mode, torch.empty_like(tensor, device="meta"), torch.device("npy"))

def move(part):
    for name, value in list(vars(part).items()):
        if isinstance(value, torch.Tensor): setattr(part, name, there(value))
        elif name in ("sampler", "negatives"): move(value)
        elif name == "device": part.device = "npy"

def without_generator(function):
    return lambda *sizes, generator, **how: function(*sizes, **how)

draws = {name: without_generator(getattr(torch, name)) for name in ("rand", "randint", "randperm")}
for model in test_gpu.PAIR_MODELS:
    for method in test_gpu.ON_PAIRS:
        trainer = test_gpu.trainer_of(test_gpu.run_on("cpu", model, method, batch_size=64))
        with mode, patch.multiple(torch, **draws):
            move(trainer.batches)
            for part in trainer.method.modules():
                for name, weight in part.named_parameters(recurse=False):
                    moved = torch.nn.Parameter(there(weight), requires_grad=weight.requires_grad)
                    part._parameters[name] = moved
                for name, buffer in part.named_buffers(recurse=False): part._buffers[name] = there(buffer)
            trainer.optimiser = find("optimiser", "dense")(trainer.method, .001)
            batches = trainer.batches.epoch(None)
            for _ in range(2): trainer.step(next(batches))
        print(model, method)

users = trainer.batches.users
for wrong in (lambda: users.sum().item(), lambda: users[users > 3], lambda: users + torch.arange(len(users))):
    try:
        with mode: wrong()
    except Exception as error: print(type(error).__name__)
"""


WRONG = ["DataDependentOutputException", "DynamicOutputShapeException", "FakeTensorDeviceMismatchError"]


def test_no_step_needs_a_number_or_another_device():
    places = [str(ROOT / "tests"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", NO_NUMBERS]  # for the device stays registered
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    stepped = [f"{model} {method}" for model in PAIR_MODELS for method in ON_PAIRS]
    assert done.stdout.splitlines() == [*stepped, *WRONG], done.stderr


# Ranked, and trained together.


@on_each_device
@pytest.mark.parametrize("model", MODELS)
def test_the_same_weights_are_ranked_alike(model, device):
    here, there = (run_on(place, model, "Normal").untrained().f.eval() for place in ("cpu", device))
    users = torch.arange(WORLD.n_users)
    scores = there.score_all(users.to(device)).cpu()
    torch.testing.assert_close(scores, here.score_all(users), rtol=1e-4, atol=1e-5)

    def table(users):
        return scores.round(decimals=2)[users]  # with ties, which the devices break alike

    def table_there(users):
        return table(users.cpu()).to(device)

    for ties in listed("ties"):
        expected, found = (evaluate(scorer, WORLD, ties=ties) for scorer in (table, table_there))
        assert found.equals(expected)


@on_each_device
def test_runs_are_trained_together_there(device):
    runs = [
        replace(run, recipe=replace(run.recipe, seed=seed))
        for seed in (0, 1)
        for run in [run_on(device, "GMF", "DeCA", epochs=2)]
    ]
    together = [member.method.state_dict() for member in Together(runs).fit().done]
    for run, found in zip(runs, together, strict=True):
        alone = replace(run).fit().method.state_dict()
        for name, weight in found.items():
            torch.testing.assert_close(weight, alone[name], rtol=1e-4, atol=1e-5)
            assert weight.device.type == device


@on_each_device
def test_clicks_are_followed_there(device):
    followed = Follow(ten_clicks(WORLD.train), ("f", "h"))
    replace(run_on(device, "GMF", "DeCA", epochs=2), callbacks=[followed]).fit()
    told = followed.table()
    assert len(told) == 20 and told[["f", "h"]].apply(lambda p: p.between(0, 1)).all(axis=None)


@on_each_device
@pytest.mark.parametrize("method", ["ClickChannel", "ClickChannel(sampled)"])
@pytest.mark.parametrize("model", MODELS)
def test_a_channel_is_learned_there(model, method, device):
    noise = {"noise": "given", "base": 0.02, "spread": 1.0, "h_prime": 0.6}
    trained = run_on(device, model, method, l2=0.1, **noise).fit().method
    users, items = (torch.tensor(ids, device=device) for ids in (WORLD.train.users, WORLD.train.items))
    believed = trained.real_positive_probability(users, items)
    assert believed.device.type == device and believed.gt(0).all() and believed.lt(1).all()


@on_each_device
def test_noise_is_searched_for_there(device):
    made = Recommender(model="MF", method="ClickChannel", epochs=2, device=device)
    assert made.fit(WORLD.train, WORLD.valid).settings.noise == "given"


def the_world(data, files):
    """The world, as `sweep` loads it."""
    return WORLD


@on_each_device
def test_a_sweep_is_made_there(device, tmp_path):
    jobs = [
        Job(run_on(device, model, method).recipe, device=device) for model in MODELS for method in METHODS
    ]
    rows = sweep(jobs, Runs(tmp_path), 2, the_world)
    assert rows["versions"].unique().tolist() == [versions(device)]
    assert rows["validation"].between(0, 1).all()
    method, _ = run_on(device, "GMF", "DeCA").trained()
    found = recovery(method, MADE, WORLD.train)
    assert all(0 <= value <= 1 for value in found.values()) and "h error" in found


# Moved between them.


@on_each_device
def test_what_is_saved_there_is_loaded_here(device, tmp_path):
    numbers = {"epochs": 1, "seed": 0, "device": device}
    for model, method in (("GMF", "DeCA"), ("CDAE", "DeCA(p)"), ("LightGCN", "Normal")):
        made = Recommender(model=model, method=method, **numbers).fit(WORLD.train, WORLD.valid)
        made.save(tmp_path / model)
        here, there = Recommender.load(tmp_path / model, device="cpu"), Recommender.load(tmp_path / model)
        assert here.device == "cpu" and there.device == pick_device("auto")
        believed = made.real_positive_probability().to_numpy()
        for loaded in (here, there):
            np.testing.assert_allclose(loaded.real_positive_probability().to_numpy(), believed, atol=1e-5)


@on_each_device
def test_a_training_goes_on_where_it_was_left(device):
    whole, left = (trainer_of(run_on(device, "GMF", "DeCA")) for _ in range(2))
    for trainer in (whole, left):
        batches = trainer.batches.epoch(trainer.generator)
        for _ in range(3):
            trainer.step(next(batches))
    gone_on = trainer_of(run_on(device, "GMF", "DeCA"))
    take_up(gone_on, state_to_bytes(left.state_dict()), Path("left"))
    whole.epoch(), gone_on.epoch()
    for one, other in zip(whole.method.parameters(), gone_on.method.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@on_each_device
@pytest.mark.parametrize("model", ["GMF", "CDAE"])
def test_the_paper_protocol_validates_and_judges_there(model, device):
    made = Recommender(model=model, method="DeCA(p)", protocol="paper", device=device, epochs=2)
    made.fit(WORLD.train, WORLD.valid)
    assert 0 <= made.evaluate(WORLD, k=(5,))["recall@5"].mean() <= 1
    run = Run(made.recipe, WORLD.train, WORLD.valid, device)
    assert 0 < second_rise(run, made.trained).validation_loss(made.trained.f) < 100


COMMANDS = """
train --data log.csv --out m --epochs 2 --method DeCA(p)
train --from m --data new.csv --out again --epochs 1
evaluate m
recommend m --users 3 --k 2
ask m --n 5 --out ask.csv
denoise log.csv --out clean.csv --epochs 1
compare --data log.csv --epochs 1 --methods Normal,DeCA,EASE
tune --data log.csv --epochs 1 --trials 1 --methods Normal,DeCA --out tuned
explore --data log.csv --epochs 1 --out page.html
"""


@on_each_device
@pytest.mark.parametrize("model", ["GMF", "CDAE"])
def test_the_commands_work_there(model, device, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = WORLD.train.to_frame().drop(columns="noise").sample(frac=1, random_state=0)
    log[:-50].to_csv("log.csv", index=False), log[-50:].to_csv("new.csv", index=False)
    for line in COMMANDS.strip().splitlines():
        words = line.split()
        if words[0] not in ("evaluate", "recommend", "ask"):
            words += ["--device", device] + ["--model", model] * ("--from" not in words)
        code, _, err = deca(*words)
        assert code == 0, (line, err)
        if device == "cuda" and words[0] in ("train", "compare", "tune", "explore") and "--from" not in words:
            assert torch.cuda.get_device_name() in err, line


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert pick_device("auto") == device


@pytest.mark.gpu
def test_auto_trains_on_it():
    made = Recommender(model="GMF", method="Normal", epochs=1).fit(WORLD.train, WORLD.valid)
    assert {weight.device.type for weight in made.trained.parameters()} == {"cuda"}
