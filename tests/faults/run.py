"""The counted attack, as `make faults` runs it.

Files are damaged, calls to the system fail, processes are killed, settings and texts are odd. What must come
of each case: the right answer, or one line that names file and remedy; nothing that was saved is lost. A case
is drawn from the seed, its kind and its number, so that it can be had again: `--only KIND --case NUMBER`.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import damaging
import environments
import ground
import hazards
import killing
import pandas as pd
import settings
import texts
import writing
from child import Lost, deca, import_all, need_good_end

from deca_nb.figures import as_markdown
from deca_nb.files import write_json, write_text
from deca_nb.runs import versions

KINDS = (
    damaging.KINDS | writing.KINDS | killing.KINDS | settings.KINDS | texts.KINDS | hazards.KINDS
) | environments.KINDS
# Of 1,000 cases so many are of each kind: cheap ones more often than dear ones.
SHARES = {
    "changed bytes of clicks": 250,
    "changed bytes of titles": 60,
    "changed bytes of options": 40,
    "changed bytes of saved models": 140,
    "forged descriptions of models": 120,
    "changed bytes of kept runs": 50,
    "changed bytes of a training's state": 40,
    "calls that fail": 80,
    "disks and limits": 30,
    "kills of trainings": 20,
    "kills of commands": 12,
    "Ctrl-C": 6,
    "Ctrl-C at a line": 6,
    "odd settings": 90,
    "hostile texts": 20,
    "odd inputs": 20,
    "odd places to write to": 16,
    "odd environments": 8,
}


@dataclass(frozen=True)
class Case:
    """One attack; `lost` says what went wrong, and is empty where it was survived."""

    kind: str
    number: int
    seed: int
    lost: str = ""
    seconds: float = 0.0


def attack(case: Case, there: Path, said: dict) -> Case:
    """The case, and how it ended."""
    rng, started = Random(f"{case.seed} {case.kind} {case.number}"), time.perf_counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        try:
            KINDS[case.kind](there, said, Path(place), rng)
            lost = ""
        except Lost as error:
            lost = str(error) or "lost"
    return Case(case.kind, case.number, case.seed, lost, time.perf_counter() - started)


def prepared(there: Path, place: Path) -> dict:
    """The ground, and what its parts and the undisturbed commands say."""
    import_all()
    said = ground.make_ground(there)
    need_good_end(deca(["train", *writing.OWN, "--method", "DeCA", "--out", "trained"], there), (0,))
    said["seconds of a training"] = killing.seconds_of_training(place / "state")
    return said | {"commands": writing.prepare(there, place)}


def plan(n: int, seed: int, only: str | None = None) -> list[Case]:
    """About n cases: every kind by its share, or one kind."""
    kinds = {only: n} if only else {kind: round(n * share / 1000) or 1 for kind, share in SHARES.items()}
    return [Case(kind, number, seed) for kind, count in kinds.items() for number in range(count)]


def attacked(cases: list[Case], workers: int, until: float = float("inf")) -> Iterator[Case]:
    """The cases as they end; none is begun after that moment."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder, "ground")
        said = prepared(there, Path(folder, "commands"))
        Random(0).shuffle(cases)  # dear and cheap ones mixed
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            for start in range(0, len(cases), 50):
                if time.monotonic() > until:
                    return
                some = cases[start : start + 50]
                for done in as_completed([pool.submit(attack, case, there, said) for case in some]):
                    yield done.result()


def table(done: list[Case]) -> pd.DataFrame:
    """Survived and tried, by kind."""
    tried, lost = Counter(case.kind for case in done), Counter(case.kind for case in done if case.lost)
    rows = [(kind, tried[kind] - lost[kind], tried[kind]) for kind in KINDS if tried[kind]]
    rows.append(("all", sum(tried.values()) - sum(lost.values()), sum(tried.values())))
    return pd.DataFrame(rows, columns=["kind", "survived", "tried"])


def as_page(done: list[Case], cases: int, seed: int) -> str:
    """The counts as a page."""
    about = (
        f"`python tests/faults/run.py --cases {cases} --seed {seed} --out results/faults`. "
        "*Survived*: the right answer, or one line of at most 300 characters that names the file and the "
        "remedy; what was saved before can still be loaded, and the same command comes to the same result "
        f"afterwards. A case that is not survived fails the command.\n\n{versions()}"
    )
    return as_markdown({"attacks": table(done)}, f"Attacks survived, seed {seed}", about)


def main():
    """Attack, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=5000, help="about so many, at the most [5000]")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which none is begun")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=KINDS, metavar="KIND", help=f"one of: {', '.join(KINDS)}")
    parser.add_argument("--case", type=int, help="with --only: this one alone")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", help="folder for the counts, as a page and as JSON")
    given = parser.parse_args()
    cases = plan(given.cases, given.seed, given.only)
    if given.case is not None:
        cases = [Case(given.only, given.case, given.seed)]
    until, done = time.monotonic() + 60 * given.minutes, []
    for case in attacked(cases, given.workers, until):
        done.append(case)
        if case.lost:
            print(
                f"LOST: --seed {case.seed} --only '{case.kind}' --case {case.number}: {case.lost}", flush=True
            )
        elif len(done) % 250 == 0:
            print(f"{len(done):,} of {len(cases):,}", file=sys.stderr, flush=True)
    print(table(done).to_string(index=False))
    seconds = pd.Series([case.seconds for case in done]).groupby([case.kind for case in done])
    print(seconds.agg(["mean", "max"]).round(2).to_string(), file=sys.stderr)
    if given.out:
        write_text(Path(given.out) / f"seed-{given.seed}.md", as_page(done, given.cases, given.seed))
        write_json(Path(given.out) / f"seed-{given.seed}.json", table(done).to_dict("records"))
    sys.exit(any(case.lost for case in done))


if __name__ == "__main__":
    main()
