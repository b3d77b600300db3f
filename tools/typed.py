"""The package as a type checker reads it: methods that `@patch` adds stand in their classes.

`python tools/typed.py` checks the package with mypy, `--write` writes the stubs that users' checkers read
(`deca_nb/*.pyi`), and `--check` fails where they are not as the modules say.
"""

import ast
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "deca_nb"
CACHE = ROOT / ".mypy_cache"
Line = tuple[str, int]  # a line of text, and the number of the line that it was made of
WAYS = {"as_prop": "@property", "cls_method": "@classmethod"}


def patch_of(node: ast.AST) -> ast.expr | None:
    """The decorator that makes a function a method of a class, if it has one."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    named = {ast.unparse(getattr(one, "func", one)): one for one in decorators}
    return named.get("patch")


def owner_of(node: ast.FunctionDef) -> str:
    """The class of a patched function: what its first parameter is annotated with."""
    return ast.unparse(node.args.args[0].annotation)


def method_lines(node: ast.FunctionDef, lines: list[str]) -> list[Line]:
    """A patched function as a method, each line with the number of its own."""
    asked = [word.arg for word in getattr(patch_of(node), "keywords", ())]
    found = [(f"    {WAYS[word]}", node.lineno) for word in asked if word in WAYS]
    first = re.sub(r"\((self|cls): [\w.]+", r"(\1", lines[node.lineno - 1], count=1)
    body = [first, *lines[node.lineno : node.end_lineno]]
    return found + [(f"    {text}" if text else "", node.lineno + i) for i, text in enumerate(body)]


def joined(source: str) -> list[Line]:
    """A module with each patched function moved to the end of its class, where that stands in the module."""
    tree, lines = ast.parse(source), source.splitlines()
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    moved: dict[str, list[ast.FunctionDef]] = {}
    for node in tree.body:
        if patch_of(node) is not None and owner_of(node) in classes:
            moved.setdefault(owner_of(node), []).append(node)
    gone = {
        number
        for nodes in moved.values()
        for node in nodes
        for number in range(min(one.lineno for one in node.decorator_list), node.end_lineno + 1)
    }
    ends = {classes[name].end_lineno: nodes for name, nodes in moved.items()}
    found: list[Line] = []
    for number, text in enumerate(lines, 1):
        found.append(("" if number in gone else text, number))
        for node in ends.get(number, ()):
            found += [("", number), *method_lines(node, lines)]
    return found


def copy(folder: Path) -> dict[str, list[int]]:
    """Write the joined modules into a folder: module -> for each line the number that it had."""
    numbers = {}
    (folder / PACKAGE.name).mkdir(parents=True, exist_ok=True)
    for path in sorted(PACKAGE.glob("*.py")):
        found = joined(path.read_text(encoding="utf-8")) if path.stem != "_modidx" else []
        text = "".join(f"{line}\n" for line, _ in found)
        target = folder / PACKAGE.name / path.name
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
        numbers[path.name] = [number for _, number in found]
    return numbers


def checked() -> tuple[int, str]:
    """The exit code of mypy, and what it says, by the lines of the package."""
    folder = CACHE / "joined"
    numbers = copy(folder)
    how = ["--config-file", ROOT / "mypy.ini", "--cache-dir", CACHE, PACKAGE.name]
    done = subprocess.run([sys.executable, "-m", "mypy", *how], cwd=folder, capture_output=True, text=True)

    def back(found: re.Match) -> str:
        return f"{PACKAGE.name}/{found[1]}:{numbers[found[1]][int(found[2]) - 1]}:"

    said = re.sub(rf"^{PACKAGE.name}/(\w+\.py):(\d+):", back, done.stdout + done.stderr, flags=re.MULTILINE)
    return done.returncode, said


def texts(folder: Path) -> dict[str, str]:
    """The stubs in a folder, by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.pyi"))}


def stubs() -> dict[str, str]:
    """The stub of each module: what it takes and gives, without its code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy(folder)
        stubgen = Path(sys.executable).with_name("stubgen")
        subprocess.run(
            [stubgen, "--parse-only", "--quiet", "--output", "out", PACKAGE.name], cwd=folder, check=True
        )
        return texts(folder / "out" / PACKAGE.name)


def main(words: list[str]) -> int:
    if not words:
        code, said = checked()
        print(said, end="")
        return code
    found, there = stubs(), texts(PACKAGE)
    if words == ["--check"]:
        old = sorted(name for name in {*found, *there} if found.get(name) != there.get(name))
        print(f"run tools/typed.py --write for {', '.join(old)}" if old else "the stubs are up to date")
        return len(old) > 0
    for name in set(there) - set(found):
        (PACKAGE / name).unlink()
    for name, text in found.items():
        (PACKAGE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
