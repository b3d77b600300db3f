import numpy as np
import pandas as pd
from .explorer import Drawing as Drawing, Slider as Slider, module as module, plain_table as plain_table
from .files import InputError as InputError
from .interactions import Interactions as Interactions
from .interpretation import titles_of as titles_of
from .labels import FEWEST as FEWEST, Labels as Labels, Reranked as Reranked, fit_quality as fit_quality
from .serving import best_lists as best_lists
from _typeshed import Incomplete
from typing import Any

def by_first(scorer: Any, are_logits: bool, train: Interactions, answers: Labels, n: int) -> tuple[Any, np.ndarray, str]: ...
def moved_list(before: np.ndarray, after: np.ndarray, train: Interactions, like: np.ndarray) -> pd.DataFrame: ...
def lists_by_answers(scorer: Any, are_logits: bool, train: Interactions, known: Interactions, answers: Labels, counts: list, users: np.ndarray, k: int = 10) -> list[dict]: ...

class AnsweredLists(Drawing):
    title: str
    answers: Incomplete
    steps: Incomplete
    users: Incomplete
    user: Incomplete
    sliders: Incomplete
    def __init__(self, steps: list) -> None: ...
