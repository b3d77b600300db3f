"""Do the checks of chapters 07 and 08 notice a wrong equation?

`python tests/mutations.py` breaks every function of 07 in every small way, and looks.

A mutant flips a sign, drops a term or a minus, swaps the branches of a `torch.where` or the arguments of a
call, or takes one name of a pair for the other (h and h_prime, f and g, c1 and c2, p and q, log_p and log_q).
It counts if it gives other numbers than the original on random inputs.

It is tried in two places: in its cell of 07; and in a copy of `deca_nb.objective` that 08 imports, if 08
imports the function or one that needs it, or looks it up by name. Then the chapter's checks that call the
function, or use what a cell got from it, run with the cells that they need, up to the first failure. Cells
that train and cells with a flag are left out. Every mutant must make one fail.
"""

import ast
import contextlib
import copy
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import torch

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from book import NBS, NOT_RUN, ROOT, Cell, CellError, called, needed, read, run, runnable

import deca_nb.denoising
import deca_nb.objective
from deca_nb.names import KNOWN

MODULE = ROOT / "deca_nb" / "objective.py"
DERIVATION, ROUTINE = NBS / "07_objective.ipynb", NBS / "08_denoising.ipynb"
TRAINING = {"fit", "trained"}
PAIRS = [("h", "h_prime"), ("f", "g"), ("c1", "c2"), ("p", "q"), ("log_p", "log_q")]
OTHER = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
LEAST = 25


# The mutants of a function.


class Mutation(NamedTuple):
    """A changed function and what was changed in it."""

    function: ast.FunctionDef
    what: str


def wrong(node: ast.AST, parameters: set[str]) -> Iterator[ast.AST]:
    """What could stand in the place of an expression by mistake."""
    match node:
        case ast.BinOp(left, ast.Add() | ast.Sub(), right):
            flipped = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            yield from (
                ast.BinOp(left, flipped, right),
                left,
                right if isinstance(node.op, ast.Add) else ast.UnaryOp(ast.USub(), right),
            )
        case ast.UnaryOp(ast.USub(), operand):
            yield operand
        case ast.Call(args=[first, second]) | ast.Call(args=[_, first, second]) if not node.keywords:
            yield ast.Call(node.func, [*node.args[:-2], second, first], [])
        case ast.Attribute(value, attr) if attr in OTHER:
            yield ast.Attribute(value, OTHER[attr], node.ctx)
        case ast.Name(name, ast.Load()) if {name, OTHER.get(name)} <= parameters:
            yield ast.Name(OTHER[name], node.ctx)


class Replace(ast.NodeTransformer):
    """Puts an expression in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else self.generic_visit(node)


def mutations(function: ast.FunctionDef) -> list[Mutation]:
    """All functions that are one mistake away from this one."""
    parameters, found = {argument.arg for argument in function.args.args}, []
    for i, node in enumerate(ast.walk(ast.Module(function.body, []))):
        for j in range(len(list(wrong(node, parameters)))):
            mutant = copy.deepcopy(function)
            old = list(ast.walk(ast.Module(mutant.body, [])))[i]
            new = list(wrong(old, parameters))[j]
            what = f"{ast.unparse(old)}  ->  {ast.unparse(new)}"
            found.append(Mutation(Replace(old, new).visit(mutant), what))
    return found


def with_function(tree: ast.Module, function: ast.FunctionDef) -> ast.Module:
    """The tree with this function in the place of the one of its name."""
    body = [
        function if isinstance(node, ast.FunctionDef) and node.name == function.name else node
        for node in tree.body
    ]
    return ast.fix_missing_locations(ast.Module(body, []))


# Is it another function?


def inputs(names: list[str], n: int = 200) -> dict | None:
    """Random values for parameters of these names; None where one is not known."""
    generator = torch.Generator().manual_seed(0)
    probability = {
        name: torch.rand(n, generator=generator, dtype=torch.float64) * 0.98 + 0.01
        for name in ("f", "g", "h", "h_prime", "p", "q")
    }
    real = {
        name: torch.randn(n, generator=generator, dtype=torch.float64) * 3 for name in ("logits", "log_lik")
    }
    density = {"density": torch.rand(n, generator=generator, dtype=torch.float64) * 0.5 + 0.01}
    numbers = {"observed": torch.arange(n) % 2, "c1": 7.0, "c2": 3.0, "alpha": 0.3}
    known = probability | real | density | numbers
    return {name: known[name] for name in names} if names and set(names) <= set(known) else None


def required(function: ast.FunctionDef) -> list[str]:
    """The parameters without a default."""
    names = [argument.arg for argument in function.args.args]
    return names[: len(names) - len(function.args.defaults)]


def module_of(tree: ast.Module) -> types.ModuleType:
    """A module called deca_nb.objective; its decorators make its functions known."""
    module = types.ModuleType("deca_nb.objective")
    module.__package__ = "deca_nb"
    exec(compile(tree, str(MODULE), "exec"), vars(module))
    return module


@contextlib.contextmanager
def names_kept() -> Iterator[None]:
    """Names that decorators give to something else inside mean afterwards what they meant before."""
    before = {kind: dict(names) for kind, names in KNOWN.items()}
    try:
        yield
    finally:
        for kind, names in before.items():
            KNOWN[kind].update(names)


def value(tree: ast.Module, function: ast.FunctionDef) -> torch.Tensor:
    """What the function of this name gives for random inputs."""
    with names_kept():
        result = getattr(module_of(tree), function.name)(**inputs(required(function)))
    parts = result if isinstance(result, tuple) else (result,)
    return torch.stack([torch.as_tensor(part, dtype=torch.float64).expand(200) for part in parts])


def differs(tree: ast.Module, mutant: Mutation) -> bool:
    """Whether a mutant gives other numbers than the original.

    One that gives none at all is not worth counting.
    """
    try:
        changed = value(with_function(tree, mutant.function), mutant.function)
    except (AttributeError, TypeError, RuntimeError):
        return False
    return bool((~torch.isclose(changed, value(tree, mutant.function), rtol=1e-9, atol=1e-12)).any())


# Which cells to run.


def training_cells(cells: list[Cell]) -> list[Cell]:
    """The cells that train a model, by a function of theirs too.

    Also those that are flagged as slow, or that use what such a cell bound.
    """
    calls, tainted, found = set(TRAINING), set(), []
    for cell in cells:
        inside = {
            called(node)
            for statement in cell.tree.body
            if not is_definition(statement)
            for node in ast.walk(statement)
        }
        if inside & calls or cell.flags & {"slow", "data"} or cell.uses & tainted:
            found.append(cell)
            tainted |= cell.binds
        calls |= {
            name
            for name, function in cell.functions.items()
            if {called(node) for node in ast.walk(function)} & calls
        }
    return found


def is_definition(statement: ast.stmt) -> bool:
    """Whether a statement only defines something."""
    return isinstance(statement, ast.FunctionDef | ast.ClassDef)


def calls_by_cell(cells: list[Cell], names: set[str]) -> dict[str, set[str]]:
    """Which of these functions each cell calls when it runs, directly or not."""
    found = {cell.id: set() for cell in cells}
    files = {str(MODULE), *(cell.code.co_filename for cell in cells)}
    current = []

    def watch(frame, event, _):
        if (
            event == "call"
            and current
            and frame.f_code.co_name in names
            and frame.f_code.co_filename in files
        ):
            found[current[-1]].add(frame.f_code.co_name)

    sys.setprofile(watch)
    try:
        with names_kept():
            run(cells, before=lambda cell: current.append(cell.id))
    finally:
        sys.setprofile(None)
    return found


def checks_of(cells: list[Cell], calls: dict[str, set[str]], name: str) -> list[Cell]:
    """The checks that call a function, or use what a cell got from it, and the cells that they need."""
    tainted, found = set(), []
    for cell in cells:
        if name in calls[cell.id] or cell.uses & tainted:
            tainted |= cell.binds
            found += [cell] * bool(cell.checks)
    return needed(cells, found)


# The two places.


@contextlib.contextmanager
def exported(tree: ast.Module) -> Iterator[None]:
    """deca_nb.objective from this source.

    Also for the modules that have imported it and where a name is looked up.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(names_kept())
        mutant = module_of(tree)
        own = {name: old for name, old in vars(deca_nb.objective).items() if not name.startswith("__")}
        instead = {id(old): vars(mutant)[name] for name, old in own.items()}
        stack.enter_context(mock.patch.dict(sys.modules, {"deca_nb.objective": mutant}))
        stack.enter_context(mock.patch.object(deca_nb, "objective", mutant))
        for name, old in list(vars(deca_nb.denoising).items()):
            if instead.get(id(old), old) is not old:
                stack.enter_context(mock.patch.object(deca_nb.denoising, name, instead[id(old)]))
        yield


def fails(cells: list[Cell], replaced: dict[str, types.CodeType] | None = None) -> bool:
    """Whether a cell fails."""
    try:
        with names_kept():
            run(cells, replaced)
    except CellError:
        return True
    return False


def fails_exported(cells: list[Cell], tree: ast.Module) -> bool:
    """Whether a cell fails when deca_nb.objective has this source."""
    with exported(tree):
        return fails(cells)


class Place:
    """A chapter, its cells that need no training, and which of them check what."""

    def __init__(self, path: Path, names: set[str]):
        cells = runnable(read(path), NOT_RUN)
        training = training_cells(cells)
        self.cells = [cell for cell in cells if cell not in training]
        calls = calls_by_cell(self.cells, names)
        self.checks = {name: checks_of(self.cells, calls, name) for name in names}
        for name, checks in self.checks.items():
            if fails(checks):
                sys.exit(f"nbs/{path.name}: the checks of {name} fail without any mutation.")


def defines(statement: ast.stmt) -> list[str]:
    """The names of a definition or an assignment."""
    return (
        [statement.name]
        if is_definition(statement)
        else [target.id for target in getattr(statement, "targets", [])]
    )


def reached(tree: ast.Module, used: set[str]) -> set[str]:
    """The definitions of a module that these names need, themselves among them."""
    bodies = {
        name: {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        for node in tree.body
        for name in defines(node)
    }
    found, todo = set(), used & set(bodies)
    while todo:
        found |= todo
        todo = set().union(*(bodies[name] for name in todo)) & set(bodies) - found
    return found


def imports(cells: list[Cell]) -> set[str]:
    """What a chapter imports from deca_nb.objective."""
    nodes = [node for cell in cells for node in ast.walk(cell.tree)]
    return {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "deca_nb.objective"
        for alias in node.names
    }


def main():
    """Count the mutants that are caught, and name those that are not."""
    torch.set_num_threads(1)
    tree = ast.parse(MODULE.read_text(encoding="utf-8"))
    functions = {
        node.name: node for node in tree.body if isinstance(node, ast.FunctionDef) and inputs(required(node))
    }
    derivation, routine = (Place(path, set(functions)) for path in (DERIVATION, ROUTINE))
    exporting = [cell for cell in derivation.cells if cell.is_exported]
    home = {
        name: cell
        for cell in exporting
        for node in cell.tree.body
        if is_definition(node)
        for name in defines(node)
    }
    by_name = {name for name, function in functions.items() if function.decorator_list}  # which 08 looks up
    used = reached(tree, imports(routine.cells) | by_name)
    tried, missed = 0, []
    print(f"{'caught / tried':<30}{'in 07':>9}{'in 08':>12}")
    for name, function in functions.items():
        mutants = [mutant for mutant in mutations(function) if differs(tree, mutant)]
        in_07 = [
            m
            for m in mutants
            if not fails(
                derivation.checks[name],
                {home[name].id: compile(with_function(home[name].tree, m.function), name, "exec")},
            )
        ]
        in_08 = [
            m
            for m in mutants
            if name in used and not fails_exported(routine.checks[name], with_function(tree, m.function))
        ]
        missed += [
            f"{chapter}, {name}: {m.what}"
            for chapter, survivors in (("07", in_07), ("08", in_08))
            for m in survivors
        ]
        tried += len(mutants) * (1 + (name in used))
        counts = [
            f"{len(mutants) - len(survivors):>5} / {len(mutants):<4}"
            for survivors in (in_07, in_08)[: 1 + (name in used)]
        ]
        print(f"{name:<30}{''.join(counts)}", flush=True)
    print(f"all: {tried - len(missed)} / {tried}", *missed, sep="\nnot caught in ")
    sys.exit(bool(missed) or tried < LEAST)


if __name__ == "__main__":
    try:
        main()
    except CellError as error:
        sys.exit(f"{error} (without any mutation)")
