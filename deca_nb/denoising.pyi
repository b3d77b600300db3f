import torch
from .batches import Batch as Batch, balance as balance
from .datasets import parse_data as parse_data, unplanted as unplanted
from .interactions import InputError as InputError, Protocol as Protocol
from .models import MF as MF, model_class as model_class
from .names import find as find, method as method, named as named
from .objective import Bernoulli as Bernoulli, deca_mean as deca_mean, from_logits as from_logits, label_log as label_log
from .recipe import Number as Number, Recipe as Recipe, Settings as Settings, common as common, make_recipe as make_recipe
from .training import Method as Method, Run as Run
from _typeshed import Incomplete
from dataclasses import dataclass
from fastcore.basics import patch as patch
from torch import nn
from typing import Annotated

COSTS: Incomplete
RATIOS: Incomplete

@dataclass(frozen=True)
class HasC1:
    c1: Annotated[float, None] = ...

@dataclass(frozen=True)
class HasC2:
    c2: Annotated[float, None] = ...

H_MODELS: Incomplete

@dataclass(frozen=True)
class HasAlpha:
    alpha: Annotated[float, None] = ...

@dataclass(frozen=True)
class HasH:
    h_model: Annotated[str, None] = ...

@dataclass(frozen=True)
class DPSettings(HasH, HasAlpha, HasC1, Settings): ...
@dataclass(frozen=True)
class DNSettings(HasH, HasAlpha, HasC2, Settings): ...
@dataclass(frozen=True)
class DeCASettings(HasH, HasAlpha, HasC2, HasC1, Settings): ...

def observation_model(name: str) -> type: ...
def opens_with_dp() -> tuple: ...
def opens_with_both_fixed() -> tuple: ...

class DeCA(Method):
    Settings: Incomplete
    released_row: Incomplete
    over_pairs: Incomplete
    tasks: Incomplete
    posterior: Incomplete
    log: Incomplete
    g: Incomplete
    opening: Incomplete
    def __init__(self, run: Run, prior: nn.Module | None = None) -> None: ...
    def task(self, step: int) -> str: ...
    def logits(self, model: nn.Module, batch: Batch) -> torch.Tensor: ...
    def loss(self, batch: Batch, step: int) -> torch.Tensor: ...
    def real_positive_probability(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor: ...

def denoise_positives(deca: DeCA, batch: Batch) -> tuple: ...
def denoise_negatives(deca: DeCA, batch: Batch) -> tuple: ...
def fix_both(deca: DeCA, batch: Batch) -> tuple: ...

LIKELIHOODS: Incomplete

class DP(DeCA):
    Settings: Incomplete
    tasks: Incomplete
    over_pairs: Incomplete
    @staticmethod
    def posterior(f: Bernoulli, h: Bernoulli, h_prime: Bernoulli) -> torch.Tensor: ...

class DN(DeCA):
    Settings: Incomplete
    tasks: Incomplete
    over_pairs: Incomplete
    @staticmethod
    def posterior(f: Bernoulli, h: Bernoulli, h_prime: Bernoulli) -> torch.Tensor: ...

def another_seed(normal: Recipe) -> Recipe: ...
def same_weights(normal: Recipe) -> Recipe: ...
def frozen(prior: nn.Module) -> nn.Module: ...
def frozen_but_for_dropout(prior: nn.Module) -> nn.Module: ...
def prior_recipe(recipe: Recipe) -> Recipe: ...

class DeCAp(DeCA):
    released_row: Incomplete
    over_pairs: Incomplete
    needs: Incomplete
    set_prior_mode: Incomplete
    def __init__(self, run: Run, prior: nn.Module) -> None: ...
    def train(self, mode: bool = True): ...
    def logits(self, model: nn.Module, batch: Batch) -> torch.Tensor: ...
    real_positive_probability: Incomplete

class DPp(DeCAp):
    Settings: Incomplete
    tasks: Incomplete
    over_pairs: Incomplete

class DNp(DeCAp):
    Settings: Incomplete
    tasks: Incomplete
    over_pairs: Incomplete

RELEASED_ROWS: str

def parse_released(rows: str) -> dict[tuple[str, str, str], dict]: ...

RELEASED: Incomplete

def released_numbers(data: str, model: str, name: str) -> dict | None: ...
def recipe_for(protocol: Protocol, data: str, model: str, name: str, given: dict, **about) -> tuple[Recipe, str]: ...
