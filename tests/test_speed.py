"""The limits of benchmarks/speed.py, times four.

A machine may be busy; a loop over users or pairs takes much longer than that.
"""

import re
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.data
def test_the_limits_hold(tmp_path, deca_data):
    command = [
        sys.executable,
        ROOT / "benchmarks" / "speed.py",
        "--repeats",
        "3",
        "--factor",
        "4",
        "--out",
        tmp_path / "speed.md",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert result.returncode == 0, result.stdout + result.stderr
    written = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert result.stdout.strip() in written and "torch" in written and "cores" in written
    assert len(re.findall(r"^\| .* \| [\d.]+ \| [\d.]+ \| \d+ \|", written, re.MULTILINE)) == 5
