import anywidget
import ipywidgets as widgets
import numpy as np
import pandas as pd
import torch
from .denoising import DeCASettings as DeCASettings
from .evaluation import MostPopular as MostPopular, evaluate as evaluate
from .files import InputError as InputError, write_text as write_text
from .interactions import Interactions as Interactions, Split as Split
from .interpretation import pyplot as pyplot, titles_of as titles_of
from .names import find as find
from .recipe import Recipe as Recipe, common as common
from .recommender import Recommender as Recommender, inner as inner
from .statistics import auc as auc
from .together import Together as Together
from .training import Callback as Callback, Run as Run
from .worlds import World as World
from _typeshed import Incomplete
from collections.abc import Callable
from dataclasses import dataclass
from fastcore.basics import patch as patch

SEEN: Incomplete
TURNS: Incomplete

def slopes(c1: float, c2: float, h: float, h_prime: float) -> dict[str, float]: ...
def logit(p): ...
def push(f, slope: float): ...
def pull(f, g: float, alpha: float): ...
def kl(p, q): ...
def loss(f, slope: float, g: float, alpha: float): ...
def minimum(slope: float, g: float, alpha: float) -> float: ...
def turning_points(c1: float, c2: float) -> dict[str, float]: ...
def one_pair(c1: float = 10, c2: float = 10, alpha: float = 0.5, h: float = 0.2, h_prime: float = 0.6, g: float = 0.5) -> dict[str, dict[str, float]]: ...
def source(name: str) -> str: ...
def module(name: str) -> str: ...

@dataclass(frozen=True)
class Slider:
    name: str
    label: str
    least: float
    most: float
    step: float
    logarithmic: bool = ...
    def widget(self, value: float) -> widgets.FloatSlider | widgets.FloatLogSlider: ...

COSTS: Incomplete

class Drawing(anywidget.AnyWidget):
    title: str
    sliders: tuple[Slider, ...]
    def drawn(self) -> dict: ...

class OnePair(Drawing):
    title: str
    sliders: Incomplete
    c1: Incomplete
    c2: Incomplete
    alpha: Incomplete
    h: Incomplete
    h_prime: Incomplete
    g: Incomplete

def with_sliders(drawing: Drawing) -> widgets.VBox: ...

STYLES: Incomplete

def draw_loss(ax, seen: str, **settings: float): ...
def draw_one_pair(*settings: dict): ...
def linked(h, link: float): ...
def landscape(f, h, seen: str, c1: float = 10.0, c2: float = 10.0, alpha: float = 0.5, g: float = 0.5, link: float = 1.0, terms: float = 1.0): ...

class Landscape(Drawing):
    title: str
    sliders: Incomplete
    c1: Incomplete
    c2: Incomplete
    alpha: Incomplete
    g: Incomplete
    link: Incomplete
    terms: Incomplete

PANELS: Incomplete

def draw_landscape(seen: str, **settings: float): ...

COLUMNS: Incomplete
CHOICES: Incomplete

def check_surface(table: pd.DataFrame, source: str = 'the table') -> pd.DataFrame: ...
def read_surface(path) -> pd.DataFrame: ...
def surface(table: pd.DataFrame, **choice: str) -> pd.DataFrame: ...

MADE: Incomplete
QUICK: Incomplete

def quick_recipe(name: str, settings: DeCASettings = ...) -> Recipe: ...

class Surface(Drawing):
    title: str
    rows: Incomplete
    data: Incomplete
    model: Incomplete
    method: Incomplete
    metric: Incomplete
    def __init__(self, table: pd.DataFrame) -> None: ...

def draw_surface(ax, grid: pd.DataFrame, title: str): ...
def marked(pairs: Interactions) -> torch.Tensor: ...
def recall_on_truth(f, split: Split, k: int = 20) -> float: ...
def observe(method, split: Split) -> dict[str, float]: ...
def levels(world: World, split: Split) -> dict[str, dict[str, float]]: ...

class StopsWhenAsked(Callback):
    def __init__(self, asked: Callable[[], bool]) -> None: ...
    def after_epoch(self, trainer, record: dict) -> bool: ...

class Observer(Callback):
    measured: Incomplete
    def __init__(self, split: Split, n_runs: int, curve: dict, on_epoch: Callable[[], None]) -> None: ...
    def after_epoch(self, trainer, record: dict): ...

WATCHED: Incomplete
SEEDS: Incomplete

def train_world(parameters: dict, settings: DeCASettings = ..., names=..., on_epoch: Callable = ..., asked: Callable[[], bool] = ..., seeds=...) -> dict: ...

LOOKS: Incomplete
LEVELS: Incomplete
MEASURED: Incomplete

def draw_run(run: dict): ...

class Curves(Drawing):
    title: str
    runs: Incomplete
    shown: Incomplete
    def __init__(self, runs: list[dict]) -> None: ...

WORLD_SLIDERS: Incomplete

class WorldExplorer(widgets.VBox):
    controls: Incomplete
    epochs: Incomplete
    train_button: Incomplete
    stop_button: Incomplete
    progress: Incomplete
    status: Incomplete
    def __init__(self, runs: list[dict]) -> None: ...
    def start(self) -> None: ...
    def train(self): ...

def busy(explorer: WorldExplorer, is_busy: bool): ...
def epochs_done(run: dict) -> int: ...
def show_progress(explorer: WorldExplorer, run: dict): ...
def clicks_of(recommender: Recommender, user) -> pd.DataFrame: ...
def side_by_side(first: Recommender, second: Recommender, user, k: int = 10) -> pd.DataFrame: ...
def plain_table(caption: str, frame: pd.DataFrame, digits: int = 3) -> dict: ...
def user_tables(first: Recommender, second: Recommender, user, n: int = 8, k: int = 10) -> list[dict]: ...

class Lists(Drawing):
    title: str
    tables: Incomplete
    users: Incomplete
    user: Incomplete
    def __init__(self, first: Recommender, second: Recommender, users) -> None: ...
    def make_tables(self, change: dict): ...

TRUE_LOGITS: Incomplete

def noise_rates(noise: float, spread: float) -> dict[str, float]: ...
def noise_likelihood(kind: str, guess: np.ndarray, noise: float = 0.05, spread: float = 0.6, h_prime: float = 0.6, level: float = 0.0, logits=...) -> np.ndarray: ...

class NoiseFound(Drawing):
    title: str
    sliders: Incomplete
    noise: Incomplete
    spread: Incomplete
    h_prime: Incomplete
    level: Incomplete
    logits: Incomplete

PAGE: str

def page(*drawings: Drawing, title: str = 'DeCA explorer') -> str: ...
def explore(out, *drawings: Drawing): ...
