"""The ratios that benchmarks/speed.py must find: how many times as fast as plain loops ours are.

A machine may be busy, and is for both; a loop over users or pairs takes much longer than that.
"""

import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.alone


@pytest.mark.data
def test_the_ratios_hold(deca_data):
    command = [sys.executable, ROOT / "benchmarks" / "speed.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("times as fast as the plain loop") == 6


@pytest.mark.data
def test_a_cell_is_measured_and_written(tmp_path, deca_data):
    chosen = ["--models", "MF", "--methods", "Normal", "--data", "ml-100k", "--out", tmp_path]
    command = [sys.executable, ROOT / "benchmarks" / "speed.py", *chosen]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    page = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "| MF, Normal, ml-100k |" in page and "torch" in page and (tmp_path / "growth.svg").is_file()
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 1
