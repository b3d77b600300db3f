"""Files of options, what is said beside a result, and how mistakes in options are told."""

import subprocess
import sys
import tomllib

import pytest
from test_rankers import deca, log  # noqa: F401

TRAIN = (
    "train --data own.csv --method Normal --epochs 2 --embedding-dim 4 "
    "--patience 3 --threads 2 --optimiser row-sparse"
)


@pytest.fixture(scope="module")
def trained(log, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    code, out, err = deca(f"{TRAIN} --out {folder / 'm'} --log {folder / 'log.txt'}", log)
    assert code == 0, err
    return folder, out, err


def test_what_was_done_is_written_and_can_be_done_again(trained, log, tmp_path):
    folder, out, _ = trained
    held = tomllib.loads((folder / "m" / "recipe.toml").read_text())
    assert held == {
        "data": "own.csv",
        "protocol": "clean",
        "model": "GMF",
        "method": "Normal",
        "epochs": 2,
        "embedding-dim": 4,
        "patience": 3,
        "threads": 2,
        "optimiser": "row-sparse",
        "device": "auto",
        "seed": 0,
    }
    code, again, err = deca(f"train --recipe {folder / 'm' / 'recipe.toml'} --out {tmp_path / 'm'}", log)
    assert code == 0, err
    assert again == out
    assert sorted(path.name for path in (tmp_path / "m").glob("tensors-*")) == sorted(
        path.name for path in (folder / "m").glob("tensors-*")
    ), "the same weights"


def test_what_is_typed_wins(trained, log, tmp_path):
    line = f"train --recipe {trained[0] / 'm' / 'recipe.toml'} --epochs 1 --no-refit --out {tmp_path / 'm'}"
    code, _, err = deca(f"{line} --write-recipe {tmp_path / 'r.toml'}", log)
    assert code == 0, err
    held = tomllib.loads((tmp_path / "r.toml").read_text())
    assert (held["epochs"], held["no-refit"], held["embedding-dim"]) == (1, True, 4)


def test_the_first_line_of_a_recipe_works_where_it_was_written(trained, log, tmp_path, monkeypatch):
    """It said `deca train --recipe best.toml`, and the file lay in another folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_bytes((log / "own.csv").read_bytes())
    code, _, err = deca(f"{TRAIN} --out a/m --write-recipe a/best.toml", tmp_path)
    assert code == 0, err
    first, *rest = (tmp_path / "a" / "best.toml").read_text().splitlines()
    assert first == "# where it was written: deca train --recipe a/best.toml --out ..."
    (tmp_path / "mark.toml").write_bytes(b"\xef\xbb\xbf" + "\n".join(rest).encode())
    for recipe in ("a/best.toml", "mark.toml"):
        code, _, err = deca(f"train --recipe {recipe} --out b", tmp_path)
        assert code == 0, err


REFUSED = {
    "epoch = 3": ["r.toml", "'epoch' is no option of deca train", "did you mean epochs?"],
    "epochs = 2.5": ["r.toml", "epochs = 2.5", "a whole number"],
    'epochs = "two"': ["r.toml", "epochs = 'two'", "a whole number"],
    "data = 3": ["r.toml", "data = 3", "a text in quotation marks"],
    "no-refit = 1": ["r.toml", "no-refit = 1", "true or false"],
    "[train]\nepochs = 3": ["r.toml", "'train' is no option"],
    "epochs: 3": ["r.toml", "no TOML"],
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_file_is_refused_before_anything(text, log, tmp_path):
    (tmp_path / "r.toml").write_text(text)
    code, out, err = deca(f"train --recipe {tmp_path / 'r.toml'} --data own.csv --out {tmp_path / 'm'}", log)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert [word for word in REFUSED[text] if word not in err] == []
    assert not (tmp_path / "m").exists()


MISTYPED = {
    "train --epochs 2.5 --out m": "deca: --epochs 2.5 cannot be used; give a whole number.",
    "train --alpha much --out m": "deca: --alpha much cannot be used; give a number.",
    "train --epoch 2 --out m": "deca: deca train has no option --epoch; did you mean --epochs? "
    "check deca train --help.",
    "trian": "deca: there is no command 'trian'; did you mean train?",
    "train --recipe none.toml --out m": "deca: none.toml: there is no such file; check the path.",
    "train --data world --out m --log own.csv/log.txt": "own.csv/log.txt",
    "train --data world --out m --write-recipe own.csv/r.toml": "own.csv/r.toml",
}


@pytest.mark.parametrize("line", MISTYPED)
def test_a_mistyped_line_is_told_in_one_sentence(line, log):
    code, out, err = deca(line, log)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert MISTYPED[line] in err


def test_a_list_and_an_argument_come_from_a_file(trained, log, tmp_path):
    (tmp_path / "r.toml").write_text(f'folder = "{trained[0] / "m"}"\nall = true\nk = 2\n')
    code, out, err = deca(f"recommend --recipe {tmp_path / 'r.toml'} --out {tmp_path / 'l.csv'}", log)
    assert code == 0, err
    (tmp_path / "c.toml").write_text('data = "own.csv"\nmethod = ["MostPopular", "EASE"]\nk = "3"\n')
    code, out, err = deca(f"compare --recipe {tmp_path / 'c.toml'}", log)
    assert code == 0 and "EASE" in out and "recall@3" in out, err


def test_quiet_says_nothing_beside_the_result(trained, log, tmp_path):
    _, out, err = trained
    code, quiet, silence = deca(f"{TRAIN} --quiet --out {tmp_path / 'm'}", log)
    assert (code, silence) == (0, "") and quiet == out and err != ""


def test_the_log_has_each_note_and_each_epoch(trained):
    folder, _, err = trained
    text = (folder / "log.txt").read_text()
    assert [text.count(f"trains Normal, epoch {n}, loss ") for n in (1, 2, 3)] == [2, 2, 0], "fit and refit"
    assert [line for line in err.splitlines() if line not in text] == []


def test_help_cuts_no_sentence():
    shown = subprocess.run(
        [sys.executable, "-m", "deca_nb", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "..." not in shown.partition("Commands:")[2]


def test_each_command_takes_the_common_options(log):
    from deca_nb.commands import options_of
    from deca_nb.names import listed

    for name in listed("command"):
        words = [one.word for one in options_of(name, [])]
        assert len(set(words)) == len(words), name
        assert {"--recipe", "--write-recipe", "--quiet", "--log"} <= set(words)


def test_popularity_that_wins_is_said(log, tmp_path):
    line = "train --data own.csv --method Normal --epochs 1 --learning-rate 1e-9 --seed 1 --out"
    code, out, err = deca(f"{line} {tmp_path / 'm'}", log)
    assert code == 0, err
    assert "Most popular reaches more than GMF + Normal (ndcg@20 " in out and "or deca tune." in out
