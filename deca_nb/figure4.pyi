from .agreement import clean_and_noisy as clean_and_noisy
from .experiments import Bench as Bench, ROWS as ROWS, experiment as experiment
from .figures import flat as flat, house_style as house_style
from .files import InputError as InputError
from .interactions import Interactions as Interactions
from .interpretation import SHOWN as SHOWN, auc_against as auc_against, click_scores as click_scores, figure_four as figure_four, mean_by_rating as mean_by_rating, rank_slopes as rank_slopes

def rated_clicks(bench: Bench) -> Interactions: ...
def figure4(bench: Bench) -> dict: ...
