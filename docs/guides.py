"""Run the guides: `python docs/guides.py docs/pages/guides/export.md`.

The blocks of a page run one after the other in a new folder, which goes with what they wrote.

Blocks of `python` share their names; one that begins with `# mine.py` is that file. Blocks of `sh` stop at
the first command that fails, and a block of `text` is what the block before it prints: the same words and
whole numbers, and decimal fractions within a tenth, since training rounds differently on another machine.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from math import isclose
from pathlib import Path

BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")
FRACTION = re.compile(r"-?\d[\d,]*\.\d+")


def run_python(code: str, names: dict) -> str:
    """What a block of Python prints; a block that is a file is written."""
    if file := FILE.match(code):
        Path(file[1]).write_text(code, encoding="utf-8")
        return ""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "block", "exec"), names)
    return printed.getvalue()


def run_sh(code: str, names: dict) -> str:
    """What a block of commands prints."""
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(["bash", "-euo", "pipefail", "-c", code], env=env, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"{code}{result.stdout}{result.stderr}")
    return result.stdout


RUN = {"python": run_python, "sh": run_sh}


def fractions(text: str) -> list[float]:
    return [float(fraction.replace(",", "")) for fraction in FRACTION.findall(text)]


def agrees(printed: str, written: str) -> bool:
    """Whether a block printed what the page says."""
    if FRACTION.sub("#", printed).split() != FRACTION.sub("#", written).split():
        return False
    return all(
        a == b if b == int(b) != 0 else isclose(a, b, rel_tol=0.1, abs_tol=0.02)
        for a, b in zip(fractions(printed), fractions(written), strict=True)
    )


def run(page: Path):
    """Run a page; `SystemExit` where a block fails or prints something else."""
    names, printed = {"__name__": "guide"}, ""
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language in RUN:
            printed = RUN[language](block, names)
        elif not agrees(printed, block):
            raise SystemExit(f"{page.name} says\n{block}\nbut what is printed is\n{printed}")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        guide = Path(name).resolve()
        with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
            run(guide)
