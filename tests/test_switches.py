"""Each part of a protocol does what it says, and nothing else. Numbers in brackets are those of the divergences between the paper and its release."""

from dataclasses import fields, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from deca_nb.cli import load_split, pick_settings
from deca_nb.denoising import RELEASED
from deca_nb.evaluation import evaluate, unmasked
from deca_nb.interactions import CLEAN, PAPER, InputError, Protocol, Split, authors_split
from deca_nb.models import CDAE, MODELS, BatchScaledCDAE, model_class
from deca_nb.objective import deca_loss, first_step_log_likelihood, floored_log, from_logits
from deca_nb.recommender import Recommender
from deca_nb.training import EVALUATORS, METHODS, SAMPLERS, Batch, BestNDCG, Method, Never, Run, SecondRise, Settings, balanced_mean, validation_row_bce
from deca_nb.worlds import World

SWITCHES = [field.name for field in fields(Protocol) if field.name != "name"]
each_switch = pytest.mark.parametrize("switch", SWITCHES)
QUICK = Settings(epochs=3, batch_size=48, learning_rate=0.05, c1=10, c2=10, l2=0.1)


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


def run_of(protocol: Protocol, model: str = "GMF", settings: Settings = QUICK, seed: int = 0, **how) -> Run:
    """A run on the world."""
    return Run(model_class(model, protocol.autoencoder), world().train, world().valid, protocol, settings, seed, **how)


def method_of(run: Run, name: str) -> Method:
    """The method around a new model, as `Run.train_method` makes it, before any training of its own."""
    return METHODS[name](run, run.build(run.model))


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    """A copy of every weight."""
    return [weight.detach().clone() for weight in module.parameters()]


def equal(left: list[torch.Tensor], right: list[torch.Tensor]) -> bool:
    """Whether all are the same to the last bit."""
    return all(map(torch.equal, left, right))


@cache
def trained(protocol: Protocol, model: str, name: str) -> list[torch.Tensor]:
    """What f has learned in a short run that nothing stops."""
    run = run_of(protocol, model)
    run.valid = None
    return weights(run.train_method(name)[0].f)


def first_batch(run: Run, method: Method) -> Batch:
    """The one that training would begin with."""
    return next(run.batches(method.f).epoch(run.generator))


def positives(batch: Batch) -> list[list[int]]:
    """Its users and items with an interaction."""
    return torch.stack([batch.users, batch.items])[:, batch.observed > 0].tolist()


# All of them.


@each_switch
def test_the_protocols_differ_in_every_part(switch):
    assert getattr(CLEAN, switch) != getattr(PAPER, switch)


@each_switch
@pytest.mark.parametrize("name", ["Normal", "DeCA", "DeCA(p)"])
@pytest.mark.parametrize("model", MODELS)
def test_no_part_changes_initial_weights_or_the_first_positives(model, name, switch):
    still = replace(QUICK, epochs=0)
    runs = [run_of(protocol, model, still) for protocol in (CLEAN, turned(switch))]
    clean, other = (method_of(run, name) for run in runs)
    for module in set(clean.modules()) - {"g"}:
        assert equal(weights(clean.modules()[module]), weights(other.modules()[module])), module
    batches = [first_batch(run, method) for run, method in zip(runs, (clean, other), strict=True)]
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
    ("CDAE", "DeCA(p)"): OF_ROWS | {"start", "log", "prior", "evaluator"},  # the prior's dropout stays on
}


@each_switch
@pytest.mark.parametrize(("model", "name"), CHANGES)
def test_a_part_changes_what_is_learned_where_it_plays_a_role_only(model, name, switch):
    learned = trained(CLEAN, model, name), trained(turned(switch), model, name)
    assert equal(*learned) == (switch not in CHANGES[model, name])


@each_switch
def test_a_part_that_is_not_there_is_refused(switch):
    with pytest.raises(InputError, match="tpyo"):
        Recommender("CDAE", "DeCA(p)", epochs=1, protocol=replace(CLEAN, **{switch: "tpyo"})).fit(world().train, world().valid).evaluate(world())


# sampler (2.1)


def share_of_positives(split: Split, sampler: str) -> float:
    """How many of the drawn negatives are training positives."""
    users, items = SAMPLERS[sampler](split.train).draw(torch.as_tensor(split.train.users), torch.Generator().manual_seed(0))
    return float(np.isin((users * split.n_items + items).numpy(), split.train.keys()).mean())


@pytest.mark.data
@pytest.mark.parametrize(("name", "share", "error"), [("ml-100k", 0.100, 0.003), ("modcloth", 0.017, 0.002)])
def test_any_item_draws_positives_too(name, share, error, deca_data):
    split = authors_split(name, root=deca_data / "authors-splits")
    assert share_of_positives(split, CLEAN.sampler) == 0
    assert abs(share_of_positives(split, PAPER.sampler) - share) < error


def test_the_sampler_of_rows_is_always_exact():
    run = run_of(turned("sampler"), "CDAE")
    batch = first_batch(run, method_of(run, "Normal"))
    negatives = (batch.users * world().n_items + batch.items)[batch.observed == 0]
    assert not np.isin(negatives.numpy(), world().train.keys()).any()


# evaluator (2.2)


def test_as_released_cdae_is_judged_in_training_mode_with_nothing_masked():
    net = CDAE(world().train, corruption=0.0, generator=torch.Generator().manual_seed(0)).eval()
    judge = EVALUATORS[PAPER.evaluator]
    assert judge(net, world(), k=(20,)).equals(evaluate(net, unmasked(world()), k=(20,)))
    assert not judge(net, world(), k=(20,)).equals(evaluate(net, world(), k=(20,)))
    whole = judge(net, world(), k=(20,))
    net.corruption = 0.9
    assert not judge(net, world(), k=(20,)).equals(whole), "most of the input is dropped"
    assert judge(net, world(), k=(20,)).equals(judge(net, world(), k=(20,))), "the same each time"
    assert not net.training


@pytest.mark.parametrize("model", [name for name in MODELS if name != "CDAE"])
def test_as_released_the_others_are_judged_as_ever(model):
    net = run_of(CLEAN, model).build(MODELS[model])
    assert EVALUATORS[PAPER.evaluator](net, world(), k=(5,)).equals(EVALUATORS[CLEAN.evaluator](net, world(), k=(5,)))


# start (2.3)


def test_the_third_objective_is_used_in_step_0_alone():
    clean, other = (method_of(run_of(protocol), "DeCA") for protocol in (CLEAN, turned("start")))
    run = run_of(CLEAN)
    batch = first_batch(run, method_of(run, "DeCA"))
    f, g, h, h_prime = (from_logits(net(batch.users, batch.items)) for net in (clean.f, clean.g, clean.h, clean.h_prime))
    third = balanced_mean(deca_loss(first_step_log_likelihood(f, h, h_prime), f, g, QUICK.alpha), batch.observed)
    assert other.loss(batch, 0).item() == pytest.approx(third.item(), rel=1e-6) != pytest.approx(clean.loss(batch, 0).item(), rel=1e-3)
    for step in range(4):
        assert other.loss(batch, step + 1).item() == clean.loss(batch, step).item()


@pytest.mark.parametrize("name", ["DP", "DN"])
def test_one_task_alone_has_no_third_objective(name):
    assert [method_of(run_of(turned("start")), name).task(step) for step in range(3)] == [name] * 3


# stopper (2.4)


def learned_by_epoch(protocol: Protocol, **changes) -> tuple[list[list[torch.Tensor]], list[torch.Tensor], pd.DataFrame]:
    """The weights after each epoch, those that are left in the end, and the history of a normal training that overfits."""
    kept = []
    settings = replace(QUICK, **({"epochs": 250, "learning_rate": 0.05, "l2": 0.0, "batch_size": 32} | changes))
    method, history = run_of(protocol, settings=settings, on_epoch=lambda net, record: kept.append(weights(net))).train_method("Normal")
    return kept, weights(method.f), pd.DataFrame(history)


def test_best_ndcg_gives_the_best_weights_back():
    kept, left, history = learned_by_epoch(CLEAN)
    best = int(history["validation ndcg@20"].idxmax())
    assert equal(left, kept[best]) and not equal(left, kept[-1])
    assert len(history) == best + 1 + QUICK.patience


def test_second_rise_keeps_the_last_weights():
    kept, left, history = learned_by_epoch(turned("stopper"))
    assert equal(left, kept[-1]) and "validation ndcg@20" not in history
    steps = -(-len(world().train) // 32)
    stops = {-(-(500 * looks + 1) // steps) for looks in range(3, 10)}
    assert len(history) in stops, "the first look rises over nothing, so the third is the earliest to stop"


def test_until_its_first_look_second_rise_leaves_the_training_alone():
    epochs = 500 // -(-len(world().train) // 32)
    clean, other = (learned_by_epoch(protocol, epochs=epochs)[0] for protocol in (CLEAN, turned("stopper")))
    assert all(map(equal, clean, other)) and len(other) == epochs


def test_second_rise_counts_rises_over_the_last_value_and_never_forgets_one():
    values = iter([0.5, 0.6, 0.4, 0.3, 0.5, 0.1])
    stopper = SecondRise(lambda model: next(values))
    assert next(step for step in range(3001) if stopper.after_step(None, step)) == 2500


STOPPERS = [(CLEAN, False, BestNDCG), (turned("stopper"), True, SecondRise), (turned("stopper"), False, Never)]


@pytest.mark.parametrize(("protocol", "early_stop", "stopper"), STOPPERS)
def test_a_released_row_says_whether_the_paper_stops_early(protocol, early_stop, stopper):
    assert type(run_of(protocol, settings=replace(QUICK, early_stop=early_stop)).stopper(None)) is stopper


# prior (2.5)


@pytest.mark.parametrize("model", MODELS)
def test_the_prior_starts_equal_to_f_or_nowhere_near(model):
    paper, clean = (method_of(run_of(protocol, model, replace(QUICK, epochs=0)), "DeCA(p)") for protocol in (turned("prior"), CLEAN))
    assert equal(weights(paper.g), weights(paper.f))
    assert not any(map(torch.equal, weights(clean.g.user_vectors if model == "CDAE" else clean.g.user_factors), weights(clean.f)))


def test_seeds_share_the_prior_of_the_paper_only():
    paper = [method_of(run_of(turned("prior"), seed=seed), "DeCA(p)") for seed in (0, 1)]
    clean = [method_of(run_of(CLEAN, seed=seed), "DeCA(p)") for seed in (0, 1)]
    assert equal(weights(paper[0].g), weights(paper[1].g)) and not equal(weights(clean[0].g), weights(clean[1].g))
    assert not equal(weights(paper[0].f), weights(paper[1].f))


def test_the_prior_is_a_normal_training():
    normal = run_of(CLEAN).train_method("Normal")[0].f
    assert equal(weights(method_of(run_of(turned("prior"), seed=5), "DeCA(p)").g), weights(normal))


# regulariser (2.7)


def absent_rows(protocol: Protocol, l2: float) -> torch.Tensor:
    """The norms of users without a training row after a run, over those before."""
    absent = torch.as_tensor(world().train.user_counts() == 0)
    assert absent.any()
    run = run_of(protocol, settings=replace(QUICK, l2=l2))
    run.valid = None
    method = method_of(run, "DeCA")
    before = method.f.user_factors.weight[absent].norm(dim=1).detach()
    run.fit(method)
    return method.f.user_factors.weight[absent].norm(dim=1).detach() / before


def test_only_full_tables_shrink_the_rows_of_absent_users():
    assert (absent_rows(turned("regulariser"), 10.0) < 0.5).all()
    assert (absent_rows(turned("regulariser"), 0.0) == 1).all()
    assert (absent_rows(CLEAN, 10.0) == 1).all()


@pytest.mark.parametrize("model", ["GMF", "CDAE"])
@pytest.mark.parametrize("name", ["Normal", "DeCA"])
def test_without_a_weight_the_regularisers_are_one(model, name):
    free = replace(QUICK, l2=0.0)
    clean, other = (run_of(protocol, model, free).train_method(name)[0].f for protocol in (CLEAN, turned("regulariser")))
    assert equal(weights(clean), weights(other))


def test_the_penalty_of_cdae_is_a_norm_that_means_two_things():
    values = {}
    for name in ("Normal", "DeCA"):
        run = run_of(turned("regulariser"), "CDAE")
        method = method_of(run, name)
        batch = first_batch(run, method)
        values[name] = run.regulariser(method)(method.f, batch).item()
        norms = QUICK.l2 * sum(weight.norm() for weight in method.f.parameters()).item()
        assert values[name] == pytest.approx(norms / (batch.observed.sum().item() if name == "Normal" else 1), rel=1e-6)
    assert values["Normal"] < values["DeCA"] / 100


# log (2.8)


def test_the_floored_log_never_falls_below_its_floor():
    at_nothing = torch.tensor([-np.inf, -200.0, 0.0, 200.0])
    assert floored_log(at_nothing).tolist() == pytest.approx([np.log(1e-5), np.log(1e-5), np.log(0.5 + 1e-5), np.log(1 + 1e-5)], abs=1e-6)
    assert from_logits(at_nothing[1:2]).log_p.item() == -200


def test_the_floored_log_cannot_oppose_a_large_c1():
    z = torch.tensor([30.0])
    exact, floored = (from_logits(z, log).log_q.item() for log in (F.logsigmoid, floored_log))
    assert exact == pytest.approx(-30) and floored == pytest.approx(-11.51, abs=0.01)
    clean, other = (method_of(run_of(protocol), "DeCA") for protocol in (CLEAN, turned("log")))
    run = run_of(CLEAN)
    batch = first_batch(run, method_of(run, "DeCA"))
    difference = abs(clean.loss(batch, 0) - other.loss(batch, 0)).item()
    assert 0 < difference < 1e-3, "where no probability is near 0 it makes next to no difference"


# autoencoder (2.10)


def change_with_the_batch(net: CDAE) -> float:
    """How much a user's scores differ when scored alone and among all others."""
    everyone = torch.arange(net.n_users)
    with torch.no_grad():
        return (net.eval().score_all(everyone) - torch.cat([net.score_all(user[None]) for user in everyone])).abs().max().item()


def test_only_as_released_the_scores_of_cdae_change_with_the_batch():
    clean, other = (run_of(protocol, "CDAE").build(model_class("CDAE", protocol.autoencoder)) for protocol in (CLEAN, turned("autoencoder")))
    assert type(other) is BatchScaledCDAE and equal(weights(clean), weights(other))
    assert change_with_the_batch(clean) < 1e-5 < 0.01 < change_with_the_batch(other)


def test_as_released_the_validation_rows_of_cdae_are_input_and_target():
    run = run_of(turned("autoencoder", "stopper"), "CDAE")
    net = run.build(run.model).eval()
    assert run.stopper(net).validation_loss.func is validation_row_bce
    valid = world().valid.to_csr()
    users = np.flatnonzero(valid.getnnz(1))
    as_input = BatchScaledCDAE(world().valid)
    as_input.load_state_dict(net.state_dict())
    with torch.no_grad():
        wanted = F.binary_cross_entropy_with_logits(as_input.eval().score_all(torch.as_tensor(users)), torch.as_tensor(valid[users].toarray()))
    assert validation_row_bce(net, world().valid, "cpu") == pytest.approx(wanted.item(), rel=1e-6)


@pytest.mark.parametrize("model", [name for name in MODELS if name != "CDAE"])
def test_there_is_one_class_of_every_other_model(model):
    assert model_class(model, PAPER.autoencoder) is model_class(model, CLEAN.autoencoder) is MODELS[model]


# hyper-parameters (2.11)

GIVEN = dict.fromkeys(("epochs", "c1", "c2", "alpha", "l2", "h_model", "learning_rate", "batch_size"))


def test_released_rows_are_loaded_and_a_flag_overrides():
    released = turned("hyper_parameters")
    picked, source = pick_settings(released, "authors:ml-100k", "DeCA", "LightGCN", GIVEN)
    assert (picked.c1, picked.c2, picked.alpha, picked.epochs, picked.l2, picked.early_stop) == (100, 100, 0, 150, 0.1, True)
    assert picked == RELEASED["ml-100k", "DeCA", "LightGCN"] and "released row of ml-100k, LightGCN" in source
    assert pick_settings(released, "authors:ml-100k", "DeCA", "LightGCN", GIVEN | {"alpha": 1.0})[0] == replace(picked, alpha=1.0)
    assert pick_settings(CLEAN, "authors:ml-100k", "DeCA", "LightGCN", GIVEN)[0] == Settings()


@pytest.mark.parametrize("model", ["GMF", "NeuMF", "CDAE", "LightGCN"])
def test_released_rows_train_methods_for_different_times(model):
    def epochs(protocol):
        rows = [pick_settings(protocol, f"authors:{data}", name, model, GIVEN)[0] for data in ("ml-100k", "adressa") for name in ("Normal", "DeCA", "DeCA(p)")]
        return [(row.epochs, row.l2, row.early_stop) for row in rows]

    assert len(set(epochs(CLEAN))) == 1
    assert len(set(epochs(turned("hyper_parameters"))[:3])) > 1, "on MovieLens alone"


def test_where_there_is_no_row_that_of_movielens_is_taken_and_named():
    picked, source = pick_settings(PAPER, "world", "DeCA", "CDAE", GIVEN)
    assert picked == RELEASED["ml-100k", "DeCA", "CDAE"] and "no released row of world" in source
    picked, source = pick_settings(PAPER, "world", "DeCA", "MF", GIVEN)
    assert picked == RELEASED["ml-100k", "DeCA", "GMF"] and "GMF" in source


# files


@pytest.mark.data
def test_honest_files_differ_in_valid_known_and_truth_alone(deca_data):
    root = deca_data / "authors-splits"
    clean, other = (authors_split("ml-100k", root, protocol) for protocol in (CLEAN, turned("files")))
    assert [len(part) for part in (clean.valid, clean.known, clean.truth)] == [9901, 79619 + 9901, 1887]
    assert [len(part) for part in (other.valid, other.known, other.truth)] == [1707, 79619 + 1707, 3594]
    assert (clean.train.keys() == other.train.keys()).all() and (clean.n_users, clean.n_items) == (other.n_users, other.n_items)
    assert not np.isin(clean.truth.keys(), clean.known.keys()).any() and np.isin(other.truth.keys(), other.known.keys()).sum() == 1707


@pytest.mark.data
def test_modcloth_has_the_same_files_in_both(deca_data):
    assert authors_split("modcloth", protocol=CLEAN).fingerprint() == authors_split("modcloth", protocol=PAPER).fingerprint()


@pytest.mark.data
@each_switch
def test_the_other_parts_leave_the_files_alone(switch, deca_data):
    same = authors_split("ml-100k", protocol=turned(switch)).fingerprint() == authors_split("ml-100k", protocol=CLEAN).fingerprint()
    assert same == (switch != "files")


# ties


def test_the_protocol_says_how_equal_scores_are_ranked():
    def constant(protocol):
        recommender = Recommender("GMF", "Normal", epochs=1, protocol=protocol, device="cpu").fit(world().train, world().valid)
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
    options = dict.fromkeys(("user", "item", "rating", "timestamp", "items", "split", "valid", "test")) | {"data": "world", "liked": 4}
    assert load_split(options | {"protocol": "paper"})[1] is PAPER and load_split(options | {"protocol": "clean"})[1] is CLEAN
    assert load_split(options | {"protocol": "paper"})[0].fingerprint() == load_split(options | {"protocol": "clean"})[0].fingerprint()
