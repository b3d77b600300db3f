import numpy as np
import pandas as pd
from .baselines import EASE as EASE
from .batches import liked as liked
from .evaluation import evaluate as evaluate
from .experiments import Bench as Bench, PROTOCOLS as PROTOCOLS, ROWS as ROWS, experiment as experiment
from .figures import house_style as house_style, pyplot as pyplot
from .interactions import InputError as InputError, Interactions as Interactions, Split as Split
from .labels import Labels as Labels, Reranked as Reranked, exposures as exposures, fit_quality as fit_quality, weighted_order as weighted_order, worth_asking as worth_asking
from .statistics import paired_test as paired_test
from _typeshed import Incomplete
from collections.abc import Callable, Iterator
from matplotlib.figure import Figure

RIDGE: float
SHRINKAGE: float

def meant(split: Split) -> np.ndarray: ...
def like_rates(train: Interactions, meant: np.ndarray) -> np.ndarray: ...

METRICS: Incomplete

def judged(scorer, split: Split) -> np.ndarray: ...
def at_random(train: Interactions, shown: np.ndarray, n: int, seed: int) -> np.ndarray: ...
def of_popular(train: Interactions, shown: np.ndarray, n: int, seed: int) -> np.ndarray: ...

ASKED: Incomplete
SIZES: Incomplete

def difference_rows(named: dict[str, np.ndarray], base: np.ndarray) -> Iterator[dict]: ...
def draws_of(split: Split, ease: EASE, real: np.ndarray, choose: Callable, shown: np.ndarray, n: int, seeds: int) -> tuple[np.ndarray, list[float]]: ...
def price_rows(drawn: tuple[np.ndarray, list[float]], base: np.ndarray, best: pd.Series) -> Iterator[dict]: ...
def draw_price(table: pd.DataFrame, where: str) -> Figure: ...
def labels_price(bench: Bench) -> dict: ...
