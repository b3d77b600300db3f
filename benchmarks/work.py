"""The least that a step has to move and to compute, counted from sizes: what the roofline is drawn from.

Counted is what the algorithm itself asks for, with every number moved once: the distinct rows of tables that
the pairs name and their gradients, weights and the two moments of Adam read and written, the graph and a
table read once for each product with it. Not counted is what any one program does besides. So where tables
do not stay in the processor's cache, no program can be faster than

    max(bytes / bandwidth, operations / peak)

and how far ours is from that is what is left to gain. Small tables do stay there, and may beat it.
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


def of_rows(n: float, table: nn.Embedding) -> Work:
    """The rows that n indices name, each read once and its gradient written once; n products with them."""
    n_rows, dim = table.weight.shape
    return Work(2 * min(n, n_rows) * dim * FLOAT + n * INDEX, FORWARD_AND_BACK * n * dim)


def of_perceptron(model: NeuMF, n: float) -> Work:
    """NeuMF's layers for n pairs; their weights stay in the cache."""
    macs = sum(layer.weight.numel() for layer in [*model.layers, model.output])
    return Work(flops=FORWARD_AND_BACK * 2 * n * macs)


def of_graph(model: LightGCN) -> Work:
    """Every layer's product with the graph, forward and back: all edges and rows read, all rows written."""
    edges, nodes = 2 * len(model.from_items.columns), model.n_users + model.n_items
    dim = model.user_factors.weight.shape[1]
    each = Work(edges * (INDEX + FLOAT) + 2 * nodes * dim * FLOAT, 2 * edges * dim)
    return Work(2 * model.n_layers * each.bytes, 2 * model.n_layers * each.flops)


def of_model(model: nn.Module, pairs: float, entries: float) -> Work:
    """One model's share of a step over `pairs` pairs; `entries` are the clicks that CDAE reads."""
    total = Work()
    for table in [module for module in model.modules() if isinstance(module, nn.Embedding)]:
        reads_clicks = isinstance(model, CDAE) and table is model.item_encoder
        total += of_rows(entries if reads_clicks else pairs, table)
    if isinstance(model, LightGCN):
        total += of_graph(model)
    return total + of_perceptron(model, pairs) if isinstance(model, NeuMF) else total


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
