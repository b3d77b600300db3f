from .baselines import ALSSettings as ALSSettings, EASESettings as EASESettings, ItemKNNSettings as ItemKNNSettings
from .interactions import InputError as InputError
from .names import find as find, method as method
from .recipe import AtOnce as AtOnce
from .training import Method as Method, Run as Run, n_threads as n_threads
from _typeshed import Incomplete
from fastcore.basics import patch as patch
from typing import NamedTuple

class Learned(NamedTuple):
    method: Method
    history: list[dict]

class Ranked(Method):
    Settings: Incomplete
    released_row: Incomplete
    has_steps: Incomplete
    is_model: Incomplete
    ranker: str
    def __init__(self, run: Run) -> None: ...
    @classmethod
    def trained_by(cls, run: Run) -> Learned: ...
    def numbers(self) -> dict: ...
    def real_positive_probability(self, users, items) -> None: ...
    def state_dict(self, *about, **more) -> dict: ...
    f: Incomplete
    def load_state_dict(self, state: dict, *about, **more): ...

class ByMostPopular(Ranked):
    ranker: str

class ByEASE(Ranked):
    ranker: Incomplete
    Settings: Incomplete

class ByItemKNN(Ranked):
    ranker: Incomplete
    Settings: Incomplete

class ByALS(Ranked):
    ranker: Incomplete
    Settings: Incomplete
    def numbers(self) -> dict: ...

BESIDE: Incomplete
