from .batches import is_meant as is_meant, knows_meant as knows_meant
from .export import told_apart as told_apart
from .files import InputError as InputError, read_frame as read_frame
from .interactions import Interactions as Interactions, Split as Split
from .labels import Labels as Labels, exposures as exposures, worth_asking as worth_asking
from .names import name_of as name_of
from .recommender import Recommender as Recommender, inner as inner
from .runs import versions as versions
from _typeshed import Incomplete
from deca_nb.answers import AnsweredLists as AnsweredLists
from deca_nb.commands import Seed as Seed, Text as Text, command as command, data_options as data_options, list_of as list_of, load_split as load_split, make_recommender as make_recommender, need_owners as need_owners, need_places as need_places, note as note, numbers_text as numbers_text, training_options as training_options
from deca_nb.explorer import Surface as Surface
from typer import Option as Option
from typing import Annotated

EXPLORED: Incomplete
NOISY: Incomplete

def small_worlds() -> list[dict]: ...
def pick_users(text: str | None, train: Interactions, n: int = 12) -> list: ...
def load_surface(path: str) -> Surface: ...

MOST: Incomplete
STEP: Incomplete

def answered_lists(model: Recommender, split: Split, users: list) -> list[AnsweredLists]: ...
def explore_command(data: dict, training: dict, out: Annotated[str, None], users: Annotated[Text, None] = None, surface: Annotated[Text, None] = None, seed: Seed = 0): ...
