"""What this machine can do at most: bytes a second through memory, operations a second in products."""

import time
from collections.abc import Callable
from statistics import median

import torch

STREAM, SIDE = 1 << 25, 1024  # numbers in an array that no cache holds; rows and columns of a square matrix


def seconds_of(work: Callable, repeats: int = 5) -> list[float]:
    """The time of each of some calls, after one that warms up."""
    taken = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken[1:]


def finished(work: Callable, device: str) -> Callable:
    """The work, with the wait for a GPU that does it."""

    def done():
        work()
        if device != "cpu":
            torch.cuda.synchronize(device)

    return done


def bandwidth(device: str = "cpu") -> float:
    """Bytes a second: two arrays are read and a third is written, again and again."""
    read, also, written = (torch.ones(STREAM, device=device) for _ in range(3))
    work = finished(lambda: torch.add(read, also, alpha=2.0, out=written), device)
    return 3 * 4 * STREAM / median(seconds_of(work))


def peak(device: str = "cpu") -> float:
    """Floating-point operations a second in the product of two matrices, by the faster library at hand."""
    left, right, product = (torch.ones(SIDE, SIDE, device=device) for _ in range(3))
    if device != "cpu":
        work = finished(lambda: torch.mm(left, right, out=product), device)
        return 2 * SIDE**3 / median(seconds_of(work))
    pictures, kernels = left.view(16, SIDE, -1, 1), right.view(SIDE, SIDE, 1, 1)
    with torch.no_grad():
        by_product = median(seconds_of(lambda: torch.mm(left, right, out=product)))
        by_convolution = median(seconds_of(lambda: torch.conv2d(pictures, kernels)))
    return 2 * SIDE**3 / min(by_product, by_convolution)
