"""Run chapters and keep what they show: `python tools/outputs.py nbs/06_agreement.ipynb ...`.

Every cell is run, those that need the authors' files too, so DECA_DATA has to name them. What is kept teaches
a reader: no warnings, no execution counts, no progress bars; figures as SVG, which stay the same while they
show the same; and of the widgets' states those of the widgets that are shown. The text of a table or widget
goes where it is an address in memory, another one in each run. A cell with `#| output: false` keeps nothing,
such as a widget that is dead without a kernel.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from deca_nb.files import replacing

VIEW, STATE = "application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json"
PROGRESS = re.compile(r"(?:[^\n|]*: )?\s*(?:\d+%\||\d+epoch \[)")
FIGURES = [
    "--InlineBackend.figure_formats=svg",
    "--InlineBackend.print_figure_kwargs={'bbox_inches': 'tight', 'metadata': {'Date': None}}",
]
ADDRESS = re.compile(r"<[^<>]* at 0x[0-9a-f]+>")
KEEPS_NOTHING = re.compile(r"^#\|\s*output:\s*false\s*$", re.MULTILINE)
REFERENCE = re.compile(r"IPY_MODEL_(\w+)")


def is_progress(output: nbformat.NotebookNode) -> bool:
    """Whether an output is a progress bar, which says nothing once it is over."""
    return bool(PROGRESS.match(output.get("text") or output.get("data", {}).get("text/plain", "")))


def teaches(output: nbformat.NotebookNode) -> bool:
    """Whether an output is kept."""
    return not is_progress(output) and output.get("name") != "stderr"


def shown_models(notebook: nbformat.NotebookNode, states: dict) -> set[str]:
    """The widgets that outputs show, and those that they are made of or linked to."""
    found: set[str] = set()
    waiting = {
        output["data"][VIEW]["model_id"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if VIEW in output.get("data", {})
    }
    parts = {name: set(REFERENCE.findall(str(state))) for name, state in states.items()}
    while waiting:
        found |= waiting
        linked = {
            name
            for name, needs in parts.items()
            if states[name]["model_name"] == "LinkModel" and needs & found
        }
        waiting = {part for name in found | linked for part in parts.get(name, ())} | linked
        waiting -= found
    return found & set(states)


def tidy(notebook: nbformat.NotebookNode):
    """Leave what teaches."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.execution_count = None
            kept = [] if KEEPS_NOTHING.search(cell.source) else cell.outputs
            cell.outputs = [output for output in kept if teaches(output)]
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = None
                data = output.get("data", {})
                if len(data) > 1 and ADDRESS.fullmatch(data.get("text/plain", "")):
                    del data["text/plain"]
    widgets = notebook.metadata.get("widgets", {}).get(STATE)
    if widgets is None:
        return
    kept = shown_models(notebook, widgets["state"])
    widgets["state"] = {name: state for name, state in sorted(widgets["state"].items()) if name in kept}
    if not kept:
        del notebook.metadata["widgets"]


def run(path: Path):
    """Run one chapter in its folder and write it with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    settings = {
        "timeout": 600,
        "store_widget_state": True,
        "extra_arguments": FIGURES,
        "resources": {"metadata": {"path": path.parent}},
    }
    client = NotebookClient(notebook, **settings)
    client.comm_open_handlers = {}  # while it answers a widget, it can miss a cell's reply and wait for ever
    client.execute()
    tidy(notebook)
    kernel = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    notebook.metadata = kernel | {
        name: notebook.metadata[name] for name in ("widgets",) if name in notebook.metadata
    }
    with replacing(path) as draft:
        nbformat.write(notebook, draft)


def main():
    """Run the chapters that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("chapters", nargs="+", type=Path)
    chapters = parser.parse_args().chapters
    if not os.environ.get("DECA_DATA"):
        sys.exit("set DECA_DATA to the folder of the authors' files: cells that need them are run too.")
    for path in chapters:
        run(path)
        print(f"{path}: run and written")


if __name__ == "__main__":
    main()
