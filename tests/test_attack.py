"""A sample of the counted attack, always the same one: 400 cases, ten of them kills and more."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

RUN = [sys.executable, str(ROOT / "tests" / "faults" / "run.py"), "--workers", "1"]


@pytest.mark.timeout(600)
def test_a_sample_of_the_attack_is_survived(tmp_path: Path):
    done = subprocess.run([*RUN, "--cases", "400", "--out", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    counts = {row["kind"]: row for row in json.loads((tmp_path / "seed-0.json").read_text())}
    assert counts["all"]["survived"] == counts["all"]["tried"] >= 400
    assert sum(counts[kind]["tried"] for kind in ("kills of trainings", "kills of commands")) >= 10


@pytest.mark.timeout(120)
def test_a_lost_case_is_named_and_fails(tmp_path: Path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import run\n"
        "def lose(*_): raise run.Lost('on purpose')\n"
        "run.KINDS['odd settings'], run.prepared = lose, lambda *_: {}\n"
        "sys.argv = ['run.py', '--only', 'odd settings', '--cases', '2', '--workers', '1']\n"
        "run.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT / "tests" / "faults")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "LOST: --seed 0 --only 'odd settings' --case 1: on purpose" in done.stdout
