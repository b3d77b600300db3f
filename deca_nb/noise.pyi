import pandas as pd
from .batches import is_meant as is_meant, knows_meant as knows_meant
from .channel import ClickChannel as ClickChannel, run_with as run_with, search_noise as search_noise
from .datasets import load_named as load_named
from .evaluation import evaluate as evaluate, paired_difference as paired_difference
from .experiments import Bench as Bench, PROTOCOLS as PROTOCOLS, ROWS as ROWS, experiment as experiment
from .files import InputError as InputError, write_json as write_json
from .interactions import Split as Split
from .recipe import make_recipe as make_recipe
from .runs import recovery as recovery, versions as versions
from .statistics import auc as auc
from .training import Run as Run
from .worlds import World as World
from _typeshed import Incomplete
from collections.abc import Callable
from pathlib import Path
from typing import Any

RANK: int
KINDS: Incomplete
SMALL: Incomplete
LARGE: Incomplete
MEASURES: Incomplete
WAYS: Incomplete

def judge_channel(method: ClickChannel, split: Split, world: World) -> dict[str, float]: ...
def told_noise(run: Run, world: World) -> ClickChannel: ...
def noise_row(kind: str, size: tuple, how: str, seed: int, epochs: int = 100) -> dict: ...
def kept_row(folder: Path, make: Callable, *cell: Any) -> dict: ...
def kept_rows(bench: Bench, make: Callable, cells: list) -> pd.DataFrame: ...
def worlds_page(bench: Bench, size: tuple) -> dict: ...

UNUSED: Incomplete

def channel_of_worlds(bench: Bench) -> dict: ...
def channel_of_large_worlds(bench: Bench) -> dict: ...
def data_row(data: str, files: str, how: str, seed: int, epochs: int = 100) -> dict: ...
def channel_of_data(bench: Bench) -> dict: ...
