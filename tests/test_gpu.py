"""On a GPU the same numbers come out as on the CPU, and no step makes the CPU wait for it.

Each test is tried on the CPU, too, so that it is known to run. Where there is no GPU, the other half is left
out (`tests/conftest.py`).
"""

from contextlib import contextmanager
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from deca_nb.baselines import ByPopularity
from deca_nb.batches import AnyItem, Batch, RowBatches, TrueNegatives
from deca_nb.names import find
from deca_nb.recipe import make_recipe
from deca_nb.recommender import Recommender, pick_device
from deca_nb.training import Run, Trainer, second_rise
from deca_nb.worlds import World

WORLD = World(n_users=120, n_items=80, noise=0.05, seed=1).sample()
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
    return Batch(*(getattr(batch, field.name).to(device) for field in fields(batch)))


def weights_after(device: str, model: str, method: str) -> dict[str, torch.Tensor]:
    """The weights after an epoch on the batches that the CPU draws."""
    trainer, here = trainer_of(run_on(device, model, method)), run_on("cpu", model, method)
    for batch in here.batches().epoch(here.generator):
        trainer.step(moved(batch, device))
    return {name: weight.cpu() for name, weight in trainer.method.state_dict().items()}


@on_each_device
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", MODELS)
def test_the_same_batches_give_the_same_weights(model, method, device):
    found, expected = weights_after(device, model, method), weights_after("cpu", model, method)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=2e-5, msg=name)


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
            assert {getattr(batch, field.name).device.type for field in fields(batch)} == {device}
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

WAITING = {  # what a GPU can do only when the CPU has heard how much it is, or what the CPU asks for
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::masked_select",
    "aten::_unique2",
    "aten::unique_consecutive",
    "aten::unique_dim",
    "aten::equal",
    "aten::repeat_interleave.Tensor",
}


class NoWaiting(TorchDispatchMode):
    """Raises where an operation would wait for a GPU."""

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        name = operation.name().removesuffix(".default")
        assert name not in WAITING, name
        if name in ("aten::index.Tensor", "aten::index_put", "aten::index_put_"):
            masks = [one for one in arguments[1] if one is not None and one.dtype == torch.bool]
            assert not masks, f"{name} by a mask"
        return operation(*arguments, **(options or {}))


@contextmanager
def no_waiting(device: str):
    """An error where the CPU waits for the device; on the CPU, where it would."""
    if device == "cpu":
        with NoWaiting():
            yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@on_each_device
@pytest.mark.parametrize("method", [*METHODS, "WBPR", "T-CE", "R-CE"])
@pytest.mark.parametrize("model", ["MF", "GMF", "NeuMF", "LightGCN"])
def test_no_step_waits(model, method, device):
    trainer = trainer_of(run_on(device, model, method, batch_size=64))
    batches = trainer.batches.epoch(trainer.generator)
    for _ in range(2):  # the first of each kind may put things in their place
        trainer.step(next(batches))
    with no_waiting(device):
        for _ in range(2):
            trainer.step(next(batches))


@pytest.mark.parametrize("wait", [torch.Tensor.item, torch.Tensor.nonzero, lambda x: x[x > 1], torch.unique])
def test_waiting_is_noticed(wait):
    with pytest.raises(AssertionError), no_waiting("cpu"):
        wait(torch.ones(1))


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
    gone_on.load_state_dict(left.state_dict())
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


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert pick_device("auto") == device


@pytest.mark.gpu
def test_auto_trains_on_it():
    made = Recommender(model="GMF", method="Normal", epochs=1).fit(WORLD.train, WORLD.valid)
    assert {weight.device.type for weight in made.trained.parameters()} == {"cuda"}
