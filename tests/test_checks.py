"""`check_model` and `check_method`: ours and the guides' pass; each property catches a class without it."""

import re
from itertools import product

import pytest
import torch
from conftest import ROOT
from torch import nn

from deca_nb.checks import OF_METHOD, OF_MODEL, OF_TRAINING, Tried, check_method, check_model, hold
from deca_nb.files import InputError
from deca_nb.models import MF, BatchScaledCDAE, PairModel
from deca_nb.names import KNOWN, find, listed
from deca_nb.training import Normal

GUIDES = ROOT / "docs" / "pages" / "guides"
METHODS = listed("method")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small are not worth a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("model", listed("model"))
def test_our_models_pass(model):
    assert check_model(model) == list(OF_MODEL)


@pytest.mark.parametrize(
    ("model", "method"),
    [*product([None], METHODS), ("CDAE", "DeCA"), ("NeuMF", "T-CE"), ("LightGCN", "DeCA(p)")],
)
def test_our_methods_pass(model, method):
    assert set(OF_TRAINING) <= set(check_method(method, model))


@pytest.mark.parametrize(("page", "check"), [("own_model", check_model), ("own_method", check_method)])
def test_the_classes_of_the_guides_pass(page, check, tmp_path, monkeypatch):
    blocks = re.findall(
        r"```python\n(# mine\.py\n.*?)```", (GUIDES / f"{page}.md").read_text(encoding="utf-8"), re.S
    )
    (tmp_path / "mine.py").write_text(blocks[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    name = re.findall(r"^class (\w+)\((?:PairModel|Method)\)", blocks[0], re.M)[0]
    assert check(f"mine.py:{name}")


# Models with one fault each.


class Columns(MF):
    def forward(self, users, items):
        return super().forward(users, items)[:, None]


class Doubles(MF):
    def score_all(self, users):
        return super().score_all(users).double()


class Unknown(MF):
    def score_all(self, users):
        return super().score_all(users) / 0.0


class Two(MF):
    def score_all(self, users):
        return 2 * super().score_all(users) + 1


class Detached(MF):
    def forward(self, users, items):
        return (self.user_factors(users).detach() * self.item_factors(items)).sum(-1)


class Chancy(MF):
    def __init__(self, train, generator=None):
        super().__init__(train, 4, generator)
        self.chance = torch.Generator().manual_seed(0)

    def score_all(self, users):
        return super().score_all(users) + 1e-6 * torch.rand((), generator=self.chance)


class Global(PairModel):
    def __init__(self, train, generator=None):
        super().__init__(train)
        self.user_factors, self.item_factors = nn.Embedding(self.n_users, 4), nn.Embedding(self.n_items, 4)

    def forward(self, users, items):
        return (self.user_factors(users) * self.item_factors(items)).sum(-1)


class Afterwards(MF):
    """Leaves out an item once it has been trained."""

    hides = False

    def train(self, mode=True):
        self.hides = self.hides or mode
        return super().train(mode)

    def score_all(self, users):
        scores = super().score_all(users)
        return scores.index_fill(1, torch.tensor([0]), -torch.inf) if self.hides else scores


class Forgetful(MF):
    shift = 0.0

    def train(self, mode=True):
        self.shift = self.shift or float(mode)
        return super().train(mode)

    def forward(self, users, items):
        return super().forward(users, items) + self.shift

    def score_all(self, users):
        return super().score_all(users) + self.shift


class ById(MF):
    def __init__(self, train, generator=None):
        super().__init__(train, 4, generator)
        self.user_factors.weight.data *= len(str(train.user_ids[0]))


class Weighed(MF):
    def __init__(self, train, generator=None):
        super().__init__(train, 4, generator)
        self.item_factors.weight.data *= 1 + (train.weights is not None)


class Neighbours(MF):
    def score_all(self, users):
        scores = super().score_all(users)
        return scores if len(users) == self.n_users else scores - scores.mean() - 1


class ByRow(MF):
    def __init__(self, train, generator=None):
        super().__init__(train, 4, generator)
        self.item_factors.weight.data[train.items[0]] += 1


class Broken(MF):
    def forward(self, users, items):
        raise IndexError("out of range")


MODELS = [
    (Columns, "shapes", "forward gives the shape (432, 1)"),
    (Doubles, "shapes", "score_all gives torch.float64"),
    (Unknown, "shapes", "NaN or infinity"),
    (Broken, "shapes", "IndexError: out of range"),
    (Two, "score_all", "score_all and forward differ by"),
    (Detached, "gradients", "no gradient reaches user_factors.weight"),
    (Chancy, "evaluation mode", "other answers in evaluation mode"),
    (Global, "repeatability", "come to other weights"),
    (Afterwards, "masks", "NaN or infinity after training"),
    (Forgetful, "save and load", "recommends otherwise after save and load"),
    (ById, "ids renamed", "other ids lead to other weights"),
    (Weighed, "weights of 1", "weights of 1 change what is learned"),
    (Neighbours, "order of rows", "who else is in the batch"),
    (ByRow, "order of rows", "the order of the training rows"),
    (BatchScaledCDAE, "order of rows", "who else is in the batch"),
]


def fails(check, cls: type, name: str, said: str):
    """It fails with one sentence that names the class and the property."""
    with pytest.raises(AssertionError) as found:
        check(cls)
    sentence = str(found.value)
    assert sentence.startswith(f"{cls.__name__} fails '{name}': ") and said in sentence, sentence
    assert len(sentence) < 300 and "\n" not in sentence


@pytest.mark.parametrize(("cls", "name", "said"), MODELS, ids=lambda one: getattr(one, "__name__", None))
def test_a_broken_model_is_caught(cls, name, said):
    fails(check_model, cls, name, said)


# Methods with one fault each.


class PerPair(Normal):
    def loss(self, batch, step):
        return self.f(batch.users, batch.items)


class Infinite(Normal):
    def loss(self, batch, step):
        return super().loss(batch, step) / 0


class Logits(Normal):
    def real_positive_probability(self, users, items):
        with torch.no_grad():
            return self.f.eval()(users, items) - 3


class Elsewhere(Normal):
    def __init__(self, run):
        super().__init__(run)
        self.g = run.build(MF)

    def loss(self, batch, step):
        return self.g(batch.users, batch.items).square().mean()


class HalfReached(Normal):
    def __init__(self, run):
        super().__init__(run)
        self.g = run.build(MF)

    def loss(self, batch, step):
        return super().loss(batch, step) + self.g.user_factors(batch.users).mean()


class Noisy(Normal):
    def loss(self, batch, step):
        return super().loss(batch, step) * (1 + torch.rand(()))


class OneSeed(Normal):
    def __init__(self, run):
        run.generator.manual_seed(7)
        super().__init__(run)


class Hides(Normal):
    def after_epoch(self, epoch):
        scores = type(self.f).score_all
        self.f.score_all = lambda users: scores(self.f, users).index_fill(1, torch.tensor([0]), -torch.inf)


class Shifts(Normal):
    def after_epoch(self, epoch):
        scores = type(self.f).score_all
        self.f.score_all = lambda users: scores(self.f, users) + 1


class Partial(Normal):
    def state_dict(self, *about, **more):
        state = super().state_dict(*about, **more)
        return {name: value for name, value in state.items() if "user" not in name}


class ByName(Normal):
    def __init__(self, run):
        super().__init__(run)
        self.factor = float(len(str(run.train.item_ids[0])))

    def loss(self, batch, step):
        logits = self.f(batch.users, batch.items)
        return super().loss(batch, step) + (self.factor * logits).square().mean()


class Squares(Normal):
    def loss(self, batch, step):
        return (
            super().loss(batch, step) + (batch.weights is not None) * self.f(batch.users, batch.items).mean()
        )


class First(Normal):
    def loss(self, batch, step):
        return super().loss(batch, step) + self.f(batch.users[:1], batch.items[:1]).sum()


BROKEN_METHODS = [
    (PerPair, "shapes", "give one number"),
    (Infinite, "shapes", "the loss of step 0 is inf"),
    (Logits, "shapes", "leaves [0, 1]"),
    (Elsewhere, "gradients", "no gradient reaches f.user_factors.weight"),
    (HalfReached, "gradients", "no gradient reaches g.item_factors.weight"),
    (Noisy, "repeatability", "come to other weights"),
    (OneSeed, "repeatability", "another seed comes to the same weights"),
    (Hides, "masks", "NaN or infinity after training"),
    (Shifts, "save and load", "recommends otherwise"),
    (Partial, "save and load", "cannot be loaded again"),
    (ByName, "ids renamed", "other ids"),
    (Squares, "weights of 1", "weights of 1 change"),
    (First, "order of rows", "the order of the pairs"),
]


@pytest.mark.parametrize(
    ("cls", "name", "said"), BROKEN_METHODS, ids=lambda one: getattr(one, "__name__", None)
)
def test_a_broken_method_is_caught(cls, name, said):
    fails(check_method, cls, name, said)


def test_each_property_has_a_class_that_lacks_it():
    assert {name for _, name, _ in MODELS} == set(OF_MODEL)
    assert {name for _, name, _ in BROKEN_METHODS} == set(OF_METHOD)


def test_what_is_no_model_or_method_is_refused_in_one_sentence():
    with pytest.raises(InputError, match="Linear has no score_all"):
        check_model(nn.Linear)
    with pytest.raises(InputError, match="Linear is no training method"):
        check_method(nn.Linear)
    with pytest.raises(InputError, match="there is no model 'Nothing'"):
        check_model("Nothing")


def test_names_are_forgotten():
    before = {kind: set(names) for kind, names in KNOWN.items()}
    check_model(type("Passing", (MF,), {}))
    check_method(type("Passing", (Normal,), {}))
    find("model", "MF")
    assert {kind: set(names) - set(listed(kind)) for kind, names in KNOWN.items()} == {
        kind: set() for kind in KNOWN
    }
    assert "Passing" not in listed("model") and "Passing" not in listed("method") and before["model"]
    assert hold(Tried("MF", "Normal"), {}, "MF") == []
