"""What `make coverage` makes of the lines that were not run."""

import sys

import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "tools"))
import covered

SOURCE = """
def read(path):
    try: return path.read()
    except OSError:
        told = path
        raise ValueError(told) from None

def write(path):
    if not path: raise ValueError("no path")
    def inner():
        raise KeyError
    return inner
"""


def test_lines_on_errors_are_named_by_their_function():
    assert list(covered.error_lines(SOURCE, {3, 5, 6, 11, 12})) == [
        ("read", "told = path"),
        ("read", "raise ValueError(told) from None"),
        ("inner", "raise KeyError"),
    ]
    assert list(covered.error_lines(SOURCE, {3, 12})) == []


def test_the_tables_count_statements(monkeypatch, tmp_path):
    (tmp_path / "x.py").write_text(SOURCE)
    monkeypatch.setattr(covered, "ROOT", tmp_path)
    files = {"x.py": {"summary": {"num_statements": 8, "covered_lines": 6}, "missing_lines": [5, 6]}}
    modules, errors = covered.tables(files)
    assert modules == [("x", 8, 6, "75.0"), ("all", 8, 6, "75.0")]
    assert [row[:2] for row in errors] == [("x", "read")] * 2


def test_each_piece_is_measured_once(monkeypatch, tmp_path):
    (tmp_path / "ended").write_text("a ran\nb stopped after 600 s\n")
    monkeypatch.setattr(covered, "pieces", lambda: {"a": ["false"], "b": ["false"], "c": ["false"]})
    covered.run(tmp_path, {})
    assert covered.ended(tmp_path) == {"a": "ran", "b": "stopped after 600 s", "c": "1"}


def test_without_the_package_there_is_one_sentence(monkeypatch):
    monkeypatch.setattr(covered, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["covered.py"])
    with pytest.raises(SystemExit, match="pip install coverage"):
        covered.main()
