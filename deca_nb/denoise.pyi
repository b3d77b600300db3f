import inspect
import pandas as pd
from .datasets import DATA_HELP as DATA_HELP, describe_split as describe_split, is_own_file as is_own_file, load_rows as load_rows
from .export import need_order as need_order, need_share as need_share, ready_for as ready_for, write_scored as write_scored
from .files import InputError as InputError, notes_of as notes_of
from .interactions import Interactions as Interactions, Protocol as Protocol, Split as Split, get_protocol as get_protocol, merged as merged, note_of_repeats as note_of_repeats
from .labels import Labels as Labels
from .recommender import Recommender as Recommender, need_method as need_method, need_own_folder as need_own_folder
from .runs import provenance as provenance, versions as versions
from .serving import best_epochs as best_epochs
from _typeshed import Incomplete
from deca_nb.commands import Group as Group, Method as Method, PATIENT as PATIENT, Seed as Seed, Seeds as Seeds, Text as Text, command as command, data_options as data_options, load_split as load_split, make_recommender as make_recommender, need_counts as need_counts, need_outside as need_outside, need_owners as need_owners, need_places as need_places, note as note, say_notes as say_notes, scores_of as scores_of, training_options as training_options, whose_scores as whose_scores, with_patience as with_patience, with_times as with_times
from deca_nb.cuts import Denoised as Denoised, compared as compared, comparison_table as comparison_table, conclusion as conclusion, denoise as denoise, drop_lowest as drop_lowest, mean_score as mean_score, places_in as places_in, reweigh as reweigh, score_clicks as score_clicks, weighed_by as weighed_by, weights_by as weights_by, without as without
from typer import Argument as Argument
from typing import Annotated

DOUBTED: float
NO_ROWS: Incomplete
READ_OF_ROWS: Incomplete
OF_ROWS: Incomplete

def row_parameters(words: list[str]) -> list[inspect.Parameter]: ...

row_options: Incomplete

def need_treatment(rows: dict, drop: float | None, reweight: bool, save: str | None, folds: int): ...

Folds: Incomplete

def split_or(whole: Split, options: dict, save: str | None) -> Split: ...
def as_long_as_validation_says(split: Split, protocol: Protocol, method: str, training: dict, seed: int) -> dict[str, int]: ...
def rows_and_clicks(data: str, protocol: Protocol, rows: dict, out: str) -> tuple: ...
def what_stays(scored: pd.DataFrame, drop: float | None, reweight: bool) -> str: ...
def treatment_text(drop: float | None) -> tuple[str, str]: ...
def fit_again(recommender: Recommender, split: Split, options: dict, found: Denoised, drop: float | None, how: tuple[int, int, dict], save: str): ...
def labels_of(path: str, frame: pd.DataFrame, clicks: Interactions, rows: dict) -> Labels: ...
def with_like(scored: pd.DataFrame, pairs: Interactions, found: Denoised, labels: Labels) -> pd.DataFrame: ...
def denoise_command(rows: dict, training: dict, data: Annotated[str, None], out: Annotated[str, None], drop: Annotated[float | None, None] = None, reweight: Annotated[bool, None] = False, save: Annotated[Text, None] = None, labels: Annotated[Text, None] = None, folds: Folds = 5, seeds: Seeds = 1, method: Method = 'DeCA', seed: Seed = 0): ...
