"""How the scripts beside this one take the time, in whichever environment they run."""

import time
from collections.abc import Callable


def seconds_of(work: Callable) -> float:
    """How much of a processor's time a call takes: with one thread, what it takes on an idle machine."""
    started = time.process_time()
    work()
    return time.process_time() - started
