"""The least that a step has to move and to compute, counted from sizes: what the roofline is drawn from.

Counted is what the algorithm itself asks for, with every number moved once: rows of tables read for the pairs
and their gradients added, weights and the two moments of Adam read and written, the graph read once for each
product with it. Not counted is what any one program does besides. So no program can be faster than

    max(bytes / bandwidth, operations / peak)

and how far ours is from that is what is left to gain.
"""

from dataclasses import dataclass

from torch import nn

from deca_nb.models import CDAE, LightGCN, NeuMF
from deca_nb.training import Method, Run

FLOAT, INDEX = 4, 8  # bytes of a number, and of an index
FORWARD_AND_BACK = 3  # a product costs one forward and two backward
ADAM = 7  # numbers moved for each weight: weight, gradient and two moments read, three of them written


@dataclass
class Work:
    """Bytes and floating-point operations."""

    bytes: float = 0.0
    flops: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.bytes + other.bytes, self.flops + other.flops)

    def least_seconds(self, bandwidth: float, peak: float) -> float:
        """The roofline: no program is faster on such a machine."""
        return max(self.bytes / bandwidth, self.flops / peak)


def of_rows(n: float, dim: int) -> Work:
    """n rows read, and their gradients read, added and written; a product of two takes part in each."""
    return Work(4 * n * dim * FLOAT + n * INDEX, FORWARD_AND_BACK * n * dim)


def of_perceptron(model: NeuMF, n: float) -> Work:
    """NeuMF's layers for n pairs; their weights stay in the cache."""
    macs = sum(layer.weight.numel() for layer in [*model.layers, model.output])
    return Work(flops=FORWARD_AND_BACK * 2 * n * macs)


def of_graph(model: LightGCN) -> Work:
    """Every layer's product with the graph, forward and back: an edge reads a row, a node writes one."""
    edges, nodes = len(model.graph.columns), len(model.graph.offsets) - 1
    dim = model.user_factors.weight.shape[1]
    each = Work(edges * (dim * FLOAT + INDEX + FLOAT) + nodes * dim * FLOAT, 2 * edges * dim)
    return Work(2 * model.n_layers * each.bytes, 2 * model.n_layers * each.flops)


def of_model(model: nn.Module, pairs: float, entries: float) -> Work:
    """One model's share of a step over `pairs` pairs; `entries` are the clicks that CDAE reads."""
    tables = [table for table in model.modules() if isinstance(table, nn.Embedding)]
    by_user = [table for table in tables if table.weight.shape[0] == model.n_users]
    if isinstance(model, CDAE):
        dim = model.item_encoder.weight.shape[1]
        return of_rows(entries, dim) + of_rows(pairs, dim + 1)
    if isinstance(model, LightGCN):
        return of_graph(model) + of_rows(2 * pairs, model.user_factors.weight.shape[1])
    rows = of_rows(2 * pairs, sum(table.weight.shape[1] for table in by_user))
    return rows + of_perceptron(model, pairs) if isinstance(model, NeuMF) else rows


def of_optimiser(method: Method, run: Run, touched: float) -> Work:
    """Adam over all weights, or with row-sparse steps over the rows that are touched."""
    weights = sum(weight.numel() for weight in method.parameters() if weight.requires_grad)
    if run.settings.optimiser == "row-sparse":
        dims = sum(m.weight.shape[1] for m in method.modules() if isinstance(m, nn.Embedding))
        weights = min(weights, touched * dims)
    return Work(ADAM * weights * FLOAT, 10 * weights)


def of_step(method: Method, run: Run, pairs: float, entries: float) -> Work:
    """All models that take part in a step, and the optimiser."""
    models = [part for part in method.children() if hasattr(part, "n_users")]
    total = of_optimiser(method, run, pairs)
    for model in models:
        total += of_model(model, pairs, entries)
    return total
