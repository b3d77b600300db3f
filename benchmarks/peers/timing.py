"""How the scripts beside this one take the time, in whichever environment they run."""

import time
from collections.abc import Callable


def seconds_of(work: Callable) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
