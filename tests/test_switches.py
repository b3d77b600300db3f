"""Each part of a protocol does what it says, and nothing else. Numbers in brackets are those of the
divergences between the paper and its release."""

from dataclasses import fields, replace
from functools import cache, partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from deca_nb.batches import Batch, balanced_mean
from deca_nb.commands import load_split
from deca_nb.datasets import authors_split
from deca_nb.denoising import RELEASED, DeCASettings, prior_recipe, recipe_for
from deca_nb.evaluation import evaluate, unmasked
from deca_nb.interactions import CLEAN, PAPER, InputError, Judging, Protocol, Split, Training
from deca_nb.judging import judge
from deca_nb.models import CDAE, BatchScaledCDAE, model_class
from deca_nb.names import find, listed
from deca_nb.objective import deca_loss, first_step_log_likelihood, floored_log, from_logits
from deca_nb.recipe import Recipe, Settings
from deca_nb.recommender import Recommender
from deca_nb.training import BestNDCG, Callback, Method, Run, SecondRise, Watch, validation_split
from deca_nb.worlds import World

SWITCHES = [field.name for field in fields(Protocol) if field.name != "name"]
TRAINING, JUDGING = ([field.name for field in fields(half)] for half in (Training, Judging))
MODELS = listed("model")
each_switch = pytest.mark.parametrize("switch", SWITCHES)
QUICK = {"epochs": 3, "batch_size": 48, "learning_rate": 0.05, "c1": 10, "c2": 10, "l2": 0.1}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors this small are not worth a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def turned(*switches: str) -> Protocol:
    """The clean protocol with these parts from the other one."""
    return replace(CLEAN, **{switch: getattr(PAPER, switch) for switch in switches})


@cache
def world() -> Split:
    """Simulated users, a tenth of them without a training row."""
    return World(n_users=120, n_items=80, cold_users=0.1).sample()


def settings_of(name: str, **numbers) -> Settings:
    """The settings of a method, with those of the numbers that it has."""
    cls = find("method", name).Settings
    return cls(**{field.name: numbers[field.name] for field in fields(cls) if field.name in numbers})


def run_of(protocol: Protocol, name="Normal", model="GMF", seed: int = 0, callbacks=(), **numbers) -> Run:
    """A run on the world."""
    recipe = Recipe(model, name, settings_of(name, **QUICK | numbers), seed, parts=protocol.training)
    return Run(recipe, world().train, world().valid, callbacks=callbacks)


def method_of(run: Run) -> Method:
    """The run's method before any training of its own."""
    return run.method()[0]


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    """A copy of every weight."""
    return [weight.detach().clone() for weight in module.parameters()]


def equal(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    """Whether all are the same to the last bit."""
    return all(map(torch.equal, left, right))


@cache
def trained(protocol: Protocol, model: str, name: str) -> list[torch.Tensor]:
    """What f has learned in a short run that nothing stops."""
    return weights(replace(run_of(protocol, name, model), valid=None).fit().method.f)


def first_batch(run: Run) -> Batch:
    """The one that training would begin with."""
    return next(run.batches().epoch(run.generator))


def positives(batch: Batch) -> list[list[int]]:
    """Its users and items with an interaction."""
    return torch.stack([batch.users, batch.items])[:, batch.observed > 0].tolist()


# All of them.


@each_switch
def test_the_protocols_differ_in_every_part(switch):
    assert getattr(CLEAN, switch) != getattr(PAPER, switch)


@each_switch
def test_weights_are_kept_under_the_training_half_alone(switch):
    clean, other = (run_of(protocol).recipe.key() for protocol in (CLEAN, turned(switch)))
    assert (clean == other) == (switch not in TRAINING)


def test_a_part_is_of_one_half():
    assert sorted(SWITCHES) == sorted([*TRAINING, *JUDGING, "files", "hyper_parameters"])


@each_switch
@pytest.mark.parametrize("name", ["Normal", "DeCA", "DeCA(p)"])
@pytest.mark.parametrize("model", MODELS)
def test_no_part_changes_initial_weights_or_the_first_positives(model, name, switch):
    runs = [run_of(protocol, name, model, epochs=0) for protocol in (CLEAN, turned(switch))]
    clean, other = (dict(method_of(run).named_children()) for run in runs)
    for module in set(clean) - {"g"}:
        assert equal(weights(clean[module]), weights(other[module])), module
    batches = [first_batch(run) for run in runs]
    assert positives(batches[0]) == positives(batches[1])
    if switch != "sampler":
        assert batches[0].items.tolist() == batches[1].items.tolist()


OF_PAIRS, OF_ROWS = {"sampler", "regulariser"}, {"regulariser", "autoencoder"}
CHANGES = {
    ("GMF", "Normal"): OF_PAIRS,
    ("GMF", "DeCA"): OF_PAIRS | {"start", "log"},
    ("GMF", "DP"): OF_PAIRS | {"log"},
    ("GMF", "DeCA(p)"): OF_PAIRS | {"start", "log", "prior"},
    ("CDAE", "Normal"): OF_ROWS,
    ("CDAE", "DeCA"): OF_ROWS | {"start", "log"},
    ("CDAE", "DeCA(p)"): OF_ROWS | {"start", "log", "prior", "prior_mode"},
}


@each_switch
@pytest.mark.parametrize(("model", "name"), CHANGES)
def test_a_part_changes_what_is_learned_where_it_plays_a_role_only(model, name, switch):
    learned = trained(CLEAN, model, name), trained(turned(switch), model, name)
    assert equal(*learned) == (switch not in CHANGES[model, name])


@each_switch
def test_a_part_that_is_not_there_is_refused(switch):
    with pytest.raises(InputError, match=f"there is no {switch} 'tpyo'; choose .*{getattr(PAPER, switch)}"):
        replace(CLEAN, **{switch: "tpyo"})


@pytest.mark.parametrize("half", [Training, Judging])
def test_a_half_refuses_a_part_that_is_not_there(half):
    for part in fields(half):
        with pytest.raises(InputError, match=f"there is no {part.name} 'tpyo'"):
            half(**{part.name: "tpyo"})


# sampler (2.1)


def share_of_positives(split: Split, sampler: str) -> float:
    """How many of the drawn negatives are training positives."""
    users = torch.tensor(split.train.users)
    users, items = find("sampler", sampler)(split.train).draw(users, torch.Generator().manual_seed(0))
    return float(np.isin((users * split.n_items + items).numpy(), split.train.keys()).mean())


@pytest.mark.data
@pytest.mark.parametrize(("name", "share", "error"), [("ml-100k", 0.100, 0.003), ("modcloth", 0.017, 0.002)])
def test_any_item_draws_positives_too(name, share, error, deca_data):
    split = authors_split(name, root=deca_data / "authors-splits")
    assert share_of_positives(split, CLEAN.sampler) == 0
    assert abs(share_of_positives(split, PAPER.sampler) - share) < error


def test_the_sampler_of_rows_is_always_exact():
    batch = first_batch(run_of(turned("sampler"), model="CDAE"))
    negatives = (batch.users * world().n_items + batch.items)[batch.observed == 0]
    assert not np.isin(negatives.numpy(), world().train.keys()).any()


# masking (2.2)

as_released = partial(judge, split=world(), judging=turned("masking").judging, k=(20,))


def test_as_released_cdae_is_judged_in_training_mode_with_nothing_masked():
    net = CDAE(world().train, corruption=0.0, generator=torch.Generator().manual_seed(0)).eval()
    assert as_released(net).equals(evaluate(net, unmasked(world()), k=(20,)))
    assert not as_released(net).equals(judge(net, world(), k=(20,)))
    whole = as_released(net)
    net.corruption = 0.9
    assert not as_released(net).equals(whole), "most of the input is dropped"
    assert as_released(net).equals(as_released(net)), "the same each time"
    assert not net.training


@pytest.mark.parametrize("model", [name for name in MODELS if name != "CDAE"])
def test_as_released_the_others_are_judged_as_ever(model):
    net = run_of(CLEAN, model=model).build()
    assert as_released(net).equals(judge(net, world(), CLEAN.judging, k=(20,)))


# scores (2.14)


class Table(torch.nn.Module):
    """A model whose logits are looked up."""

    def __init__(self, logits: torch.Tensor):
        super().__init__()
        self.logits = logits

    def score_all(self, users: torch.Tensor) -> torch.Tensor:
        return self.logits[users]


@cache
def distinct() -> torch.Tensor:
    """Logits from -4 to 4 for every user and item, no two of a user alike."""
    shape = world().n_users, world().n_items
    order = torch.rand(shape, generator=torch.Generator().manual_seed(0)).argsort(1)
    return torch.linspace(-4, 4, world().n_items)[order]


def by_score(logits: torch.Tensor, *switches: str) -> pd.DataFrame:
    """The metrics of a table of logits under the clean protocol with these parts turned."""
    return judge(Table(logits), world(), turned(*switches).judging, k=(5, 20))


def test_a_probability_orders_as_its_logit_where_32_bits_tell_them_apart():
    assert by_score(distinct(), "scores").equals(by_score(distinct()))


@pytest.mark.parametrize("shift", [-200.0, 100.0])
def test_far_from_0_all_probabilities_are_equal_and_ties_are_ranked_as_the_protocol_says(shift):
    far, nothing = distinct() + shift, torch.zeros_like(distinct())
    assert by_score(far).equals(by_score(distinct())), "by logit nothing is lost"
    for ties in ((), ("ties",)):
        assert by_score(far, "scores", *ties).equals(by_score(nothing, *ties))
    assert not by_score(far, "scores", "ties").equals(by_score(far, "scores"))


# start (2.3)


def test_the_third_objective_is_used_in_step_0_alone():
    run = run_of(CLEAN, "DeCA")
    clean, other = method_of(run), method_of(run_of(turned("start"), "DeCA"))
    batch = first_batch(run)
    models = clean.f, clean.g, clean.h, clean.h_prime
    f, g, h, h_prime = (from_logits(net(batch.users, batch.items)) for net in models)
    loss = deca_loss(first_step_log_likelihood(f, h, h_prime), f, g, clean.settings.alpha)
    third, first = balanced_mean(loss, batch.observed).item(), clean.loss(batch, 0).item()
    assert other.loss(batch, 0).item() == pytest.approx(third, rel=1e-6) != pytest.approx(first, rel=1e-3)
    for step in range(4):
        assert other.loss(batch, step + 1).item() == clean.loss(batch, step).item()


@pytest.mark.parametrize("name", ["DP", "DN"])
def test_one_task_alone_has_no_third_objective(name):
    assert [method_of(run_of(turned("start"), name)).task(step) for step in range(3)] == [name] * 3


# stopper (2.4)


Weights = list[torch.Tensor]


def learned_by_epoch(protocol: Protocol, **numbers) -> tuple[list[Weights], Weights, pd.DataFrame]:
    """The weights after each epoch, those left, and the history of a normal training that overfits."""
    kept = []
    numbers = {"epochs": 250, "learning_rate": 0.05, "l2": 0.0, "batch_size": 32} | numbers
    look = Watch(lambda net, record: kept.append(weights(net)))
    trainer = run_of(protocol, callbacks=[look], **numbers).fit()
    return kept, weights(trainer.method.f), pd.DataFrame(trainer.history)


def test_best_ndcg_gives_the_best_weights_back():
    kept, left, history = learned_by_epoch(CLEAN)
    best = int(history["validation ndcg@20"].idxmax())
    assert equal(left, kept[best]) and not equal(left, kept[-1])
    assert len(history) == best + 1 + Settings().patience


def test_second_rise_keeps_the_last_weights():
    kept, left, history = learned_by_epoch(turned("stopper"))
    assert equal(left, kept[-1]) and "validation ndcg@20" not in history
    steps = -(-len(world().train) // 32)
    stops = {-(-(500 * looks + 1) // steps) for looks in range(3, 10)}
    assert len(history) in stops, "the first look rises over nothing, so the third is the earliest to stop"


def test_never_runs_all_epochs_and_keeps_the_last_weights():
    kept, left, history = learned_by_epoch(replace(CLEAN, stopper="never"), epochs=60)
    assert len(kept) == len(history) == 60 and equal(left, kept[-1]) and "validation ndcg@20" not in history
    assert len(learned_by_epoch(CLEAN, epochs=60)[0]) < 60, "where another would have stopped"


@pytest.mark.parametrize("stopper", [PAPER.stopper, "never"])
def test_until_its_first_look_a_stopper_leaves_the_training_alone(stopper):
    epochs = 500 // -(-len(world().train) // 32)
    protocols = CLEAN, replace(CLEAN, stopper=stopper)
    clean, other = (learned_by_epoch(protocol, epochs=epochs)[0] for protocol in protocols)
    assert all(map(equal, clean, other)) and len(other) == epochs


def test_second_rise_counts_rises_over_the_last_value_and_never_forgets_one():
    values = iter([0.5, 0.6, 0.4, 0.3, 0.5, 0.1])
    stopper = SecondRise(lambda model: next(values))
    after = lambda step: SimpleNamespace(n_steps=step + 1, method=SimpleNamespace(f=None))  # noqa: E731
    assert next(step for step in range(3001) if stopper.after_step(after(step))) == 2500


STOPPERS = [("best-ndcg", BestNDCG), ("second-rise", SecondRise), ("never", Callback)]


@pytest.mark.parametrize(("stopper", "kind"), STOPPERS)
def test_a_stopper_is_what_its_name_says_and_none_without_validation(stopper, kind):
    run = run_of(replace(CLEAN, stopper=stopper))
    assert type(run.stopper(None)) is kind
    nothing = world().valid.select(slice(0, 0))
    assert [type(replace(run, valid=valid).stopper(None)) for valid in (None, nothing)] == [Callback] * 2


def test_a_released_row_says_whether_the_paper_stops_early():
    def stopper(protocol, name):
        return recipe_for(protocol, "authors:ml-100k", "GMF", name, {})[0].parts.stopper

    assert [stopper(PAPER, name) for name in ("Normal", "DeCA")] == ["second-rise", "never"]
    assert [stopper(turned("hyper_parameters"), name) for name in ("Normal", "DeCA")] == [CLEAN.stopper] * 2


# stopper_ties


def test_the_stopper_ranks_equal_scores_as_its_own_part_says_and_the_judge_as_the_judges():
    split, nothing = validation_split(world().train, world().valid), Table(torch.zeros_like(distinct()))
    values = {}
    for protocol in (CLEAN, turned("stopper_ties"), turned("ties")):
        values[protocol] = run_of(protocol).stopper(None).validate(nothing)
        wanted = evaluate(nothing, split, k=(20,), ties=protocol.stopper_ties)["ndcg@20"].mean()
        assert values[protocol] == wanted
    assert values[CLEAN] == values[turned("ties")] != values[turned("stopper_ties")]


# prior (2.5)


@pytest.mark.parametrize("model", MODELS)
def test_the_prior_starts_equal_to_f_or_nowhere_near(model):
    protocols = turned("prior"), CLEAN
    paper, clean = (method_of(run_of(protocol, "DeCA(p)", model, epochs=0)) for protocol in protocols)
    assert equal(weights(paper.g), weights(paper.f))
    of_users = clean.g.user_vectors if model == "CDAE" else clean.g.user_factors
    assert not any(map(torch.equal, weights(of_users), weights(clean.f)))


def test_seeds_share_the_prior_of_the_paper_only():
    def of_seeds(protocol):
        return [method_of(run_of(protocol, "DeCA(p)", seed=seed)) for seed in (0, 1)]

    paper, clean = of_seeds(turned("prior")), of_seeds(CLEAN)
    assert equal(weights(paper[0].g), weights(paper[1].g))
    assert not equal(weights(clean[0].g), weights(clean[1].g))
    assert not equal(weights(paper[0].f), weights(paper[1].f))


def test_the_prior_is_a_normal_training():
    normal = run_of(CLEAN).fit().method.f
    assert equal(weights(method_of(run_of(turned("prior"), "DeCA(p)", seed=5)).g), weights(normal))


def test_the_prior_of_the_paper_stops_early_whatever_the_row_says():
    def stopper(prior, stopper):
        recipe = run_of(replace(CLEAN, prior=prior, stopper=stopper), "DeCA(p)").recipe
        return prior_recipe(recipe).parts.stopper

    assert stopper(PAPER.prior, "never") == "second-rise"
    for stops in ("second-rise", "best-ndcg"):
        assert stopper(PAPER.prior, stops) == stops
    assert [stopper(CLEAN.prior, name) for name in ("never", "second-rise")] == ["never", "second-rise"]


# prior_mode (2.2)


@pytest.mark.parametrize("model", MODELS)
def test_the_dropout_of_the_prior_is_on_in_training_mode_alone(model):
    for protocol, is_on in ((CLEAN, False), (turned("prior_mode"), True)):
        run = run_of(protocol, "DeCA(p)", model, epochs=0)
        method, batch = method_of(run).train(), first_batch(run)
        assert method.f.training and method.g.training == is_on
        with torch.no_grad():
            first, again = (method.g(batch.users, batch.items) for _ in range(2))
        assert torch.equal(first, again) == (not is_on or model != "CDAE")


# regulariser (2.7)


def absent_rows(protocol: Protocol, l2: float) -> torch.Tensor:
    """The norms of users without a training row after a run, over those before."""
    absent = torch.as_tensor(world().train.user_counts() == 0)
    assert absent.any()
    trainer = replace(run_of(protocol, "DeCA", l2=l2), valid=None).trainer()
    rows = trainer.method.f.user_factors.weight
    before = rows[absent].norm(dim=1).detach()
    trainer.fit()
    return rows[absent].norm(dim=1).detach() / before


def test_only_full_tables_shrink_the_rows_of_absent_users():
    assert (absent_rows(turned("regulariser"), 10.0) < 0.5).all()
    assert (absent_rows(turned("regulariser"), 0.0) == 1).all()
    assert (absent_rows(CLEAN, 10.0) == 1).all()


@pytest.mark.parametrize("model", ["GMF", "CDAE"])
@pytest.mark.parametrize("name", ["Normal", "DeCA"])
def test_without_a_weight_the_regularisers_are_one(model, name):
    protocols = CLEAN, turned("regulariser")
    clean, other = (run_of(protocol, name, model, l2=0.0).fit().method.f for protocol in protocols)
    assert equal(weights(clean), weights(other))


def test_the_penalty_of_cdae_is_a_norm_that_means_two_things():
    values = {}
    for name in ("Normal", "DeCA"):
        run = run_of(turned("regulariser"), name, "CDAE")
        f, batch = method_of(run).f, first_batch(run)
        values[name] = run.penalty()(f, batch).item()
        norms = QUICK["l2"] * sum(weight.norm() for weight in f.parameters()).item()
        over = batch.observed.sum().item() if name == "Normal" else 1
        assert values[name] == pytest.approx(norms / over, rel=1e-6)
    assert values["Normal"] < values["DeCA"] / 100


# log (2.8)


def test_the_floored_log_never_falls_below_its_floor():
    at_nothing, floor = torch.tensor([-np.inf, -200.0, 0.0, 200.0]), np.log(1e-5)
    expected = [floor, floor, np.log(0.5 + 1e-5), np.log(1 + 1e-5)]
    assert floored_log(at_nothing).tolist() == pytest.approx(expected, abs=1e-6)
    assert from_logits(at_nothing[1:2]).log_p.item() == -200


def test_the_floored_log_cannot_oppose_a_large_c1():
    z = torch.tensor([30.0])
    exact, floored = (from_logits(z, log).log_q.item() for log in (F.logsigmoid, floored_log))
    assert exact == pytest.approx(-30) and floored == pytest.approx(-11.51, abs=0.01)
    run = run_of(CLEAN, "DeCA")
    clean, other = method_of(run), method_of(run_of(turned("log"), "DeCA"))
    batch = first_batch(run)
    difference = abs(clean.loss(batch, 0) - other.loss(batch, 0)).item()
    assert 0 < difference < 1e-3, "where no probability is near 0 it makes next to no difference"


# autoencoder (2.10)


def change_with_the_batch(net: CDAE) -> float:
    """How much a user's scores differ when scored alone and among all others."""
    everyone = torch.arange(net.n_users)
    with torch.no_grad():
        alone = torch.cat([net.eval().score_all(user[None]) for user in everyone])
        return (net.score_all(everyone) - alone).abs().max().item()


def test_only_as_released_the_scores_of_cdae_change_with_the_batch():
    clean, other = (run_of(protocol, model="CDAE").build() for protocol in (CLEAN, turned("autoencoder")))
    assert type(other) is BatchScaledCDAE and equal(weights(clean), weights(other))
    assert change_with_the_batch(clean) < 1e-5 < 0.01 < change_with_the_batch(other)


def test_as_released_the_validation_rows_of_cdae_are_input_and_target():
    run = run_of(turned("autoencoder", "stopper"), model="CDAE")
    net = run.build().eval()
    valid = world().valid.to_csr()
    users = np.flatnonzero(valid.getnnz(1))
    as_input = BatchScaledCDAE(world().valid)
    as_input.load_state_dict(net.state_dict())
    with torch.no_grad():
        logits = as_input.eval().score_all(torch.as_tensor(users))
        wanted = F.binary_cross_entropy_with_logits(logits, torch.as_tensor(valid[users].toarray()))
    assert run.stopper(None).validation_loss(net) == pytest.approx(wanted.item(), rel=1e-6)


@pytest.mark.parametrize("model", [name for name in MODELS if name != "CDAE"])
def test_there_is_one_class_of_every_other_model(model):
    assert model_class(model, PAPER.training) is model_class(model, CLEAN.training) is find("model", model)


# hyper-parameters (2.11)


def numbers_in(recipe: Recipe) -> dict:
    """What a released row says, as the recipe has it."""
    numbers = {name: getattr(recipe.settings, name) for name in ("epochs", "l2", "c1", "c2", "alpha")}
    return numbers | {"stopper": recipe.parts.stopper}


def test_released_rows_are_loaded_and_a_flag_overrides():
    row = {"c1": 100, "c2": 100, "alpha": 0, "epochs": 150, "l2": 0.1, "stopper": "second-rise"}
    picked, source = recipe_for(PAPER, "authors:ml-100k", "LightGCN", "DeCA", {})
    assert numbers_in(picked) == row == RELEASED["ml-100k", "DeCA", "LightGCN"]
    assert "released row of ml-100k, LightGCN" in source
    given, _ = recipe_for(PAPER, "authors:ml-100k", "LightGCN", "DeCA", {"alpha": 1.0})
    assert given == replace(picked, settings=replace(picked.settings, alpha=1.0))
    alone, _ = recipe_for(turned("hyper_parameters"), "authors:ml-100k", "LightGCN", "DeCA", {})
    assert alone == replace(picked, parts=CLEAN.training)
    assert recipe_for(CLEAN, "authors:ml-100k", "LightGCN", "DeCA", {})[0].settings == DeCASettings()


@pytest.mark.parametrize("model", ["GMF", "NeuMF", "CDAE", "LightGCN"])
def test_released_rows_train_methods_for_different_times(model):
    def times(protocol):
        about = [(data, name) for data in ("ml-100k", "adressa") for name in ("Normal", "DeCA", "DeCA(p)")]
        rows = [recipe_for(protocol, f"authors:{data}", model, name, {})[0] for data, name in about]
        return [(row.settings.epochs, row.settings.l2, row.parts.stopper) for row in rows]

    assert len(set(times(CLEAN))) == 1
    assert len(set(times(PAPER)[:3])) > 1, "on MovieLens alone"


def test_where_there_is_no_row_that_of_movielens_is_taken_and_named():
    picked, source = recipe_for(PAPER, "world", "CDAE", "DeCA", {})
    assert numbers_in(picked) == RELEASED["ml-100k", "DeCA", "CDAE"] and "no released row of world" in source
    picked, source = recipe_for(PAPER, "world", "MF", "DeCA", {})
    assert numbers_in(picked) == RELEASED["ml-100k", "DeCA", "GMF"] and "GMF" in source


# files


@pytest.mark.data
def test_honest_files_differ_in_valid_known_and_truth_alone(deca_data):
    root = deca_data / "authors-splits"
    clean, other = (authors_split("ml-100k", root, protocol) for protocol in (CLEAN, turned("files")))
    assert [len(part) for part in (clean.valid, clean.known, clean.truth)] == [9901, 79619 + 9901, 1887]
    assert [len(part) for part in (other.valid, other.known, other.truth)] == [1707, 79619 + 1707, 3594]
    assert (clean.train.keys() == other.train.keys()).all()
    assert (clean.n_users, clean.n_items) == (other.n_users, other.n_items)
    assert not np.isin(clean.truth.keys(), clean.known.keys()).any()
    assert np.isin(other.truth.keys(), other.known.keys()).sum() == 1707


@pytest.mark.data
def test_modcloth_has_the_same_files_in_both(deca_data):
    clean, paper = (authors_split("modcloth", protocol=protocol).fingerprint() for protocol in (CLEAN, PAPER))
    assert clean == paper


@pytest.mark.data
@each_switch
def test_the_other_parts_leave_the_files_alone(switch, deca_data):
    other, clean = (authors_split("ml-100k", protocol=protocol) for protocol in (turned(switch), CLEAN))
    assert (other.fingerprint() == clean.fingerprint()) == (switch != "files")


# ties


def test_the_protocol_says_how_equal_scores_are_ranked():
    def constant(protocol):
        recommender = Recommender("GMF", "Normal", epochs=1, protocol=protocol, device="cpu")
        recommender.fit(world().train, world().valid)
        for weight in recommender.trained.f.parameters():
            weight.data.zero_()
        return recommender

    nothing = constant(CLEAN).trained.f
    for protocol in (CLEAN, turned("ties")):
        found = constant(protocol).evaluate(world(), k=5)
        assert found.equals(evaluate(nothing, world(), k=5, ties=protocol.ties))
    assert not found.equals(evaluate(nothing, world(), k=5, ties=CLEAN.ties))
    assert constant(CLEAN).evaluate(world(), k=5, ties="lowest-id").equals(found), "and may be overruled"


def test_the_command_takes_both_protocols_by_name():
    options = {"data": "world"}
    paper, clean = (load_split(options | {"protocol": name}) for name in ("paper", "clean"))
    assert paper[1] is PAPER and clean[1] is CLEAN
    assert paper[0].fingerprint() == clean[0].fingerprint()
