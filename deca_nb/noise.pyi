from .channel import ClickChannel as ClickChannel, search_noise as search_noise
from .experiments import Bench as Bench, PROTOCOLS as PROTOCOLS, ROWS as ROWS, experiment as experiment
from .files import write_json as write_json
from .interactions import Split as Split
from .recipe import make_recipe as make_recipe
from .runs import recovery as recovery, versions as versions
from .statistics import auc as auc
from .training import Run as Run
from .worlds import World as World
from _typeshed import Incomplete
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
def kept_row(folder: Path, *cell: Any) -> dict: ...
def worlds_page(bench: Bench, size: tuple) -> dict: ...

UNUSED: Incomplete

def channel_of_worlds(bench: Bench) -> dict: ...
def channel_of_large_worlds(bench: Bench) -> dict: ...
