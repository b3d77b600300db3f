"""The command as a process of its own, where the surroundings are odd."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

from child import SECONDS, Ended, Lost, need_good_end
from writing import COMMANDS, need_same, room

VARIABLES = {
    "PYTHONIOENCODING": ["ascii", "latin-1", "utf-16"],
    "PYTHONUTF8": ["0"],
    "LC_ALL": ["C", "nonsense", "tr_TR.UTF-8"],
    "MPLBACKEND": ["nonsense", "TkAgg", ""],
    "MPLCONFIGDIR": ["/dev/null/x", "nowhere"],
    "HOME": ["/dev/null", "/nowhere", ""],
    "XDG_CACHE_HOME": ["/dev/null/x"],
    "TMPDIR": ["/nowhere"],
    "COLUMNS": ["0", "1", "-5", "x", "100000"],
    "TERM": ["dumb", "", "nonsense"],
    "NO_COLOR": ["1"],
    "FORCE_COLOR": ["1"],
    "PYTHONOPTIMIZE": ["2"],
    "PYTHONHASHSEED": ["0", "12345"],
    "PYTHONWARNINGS": ["error", "always"],
    "PYTHONDEVMODE": ["1"],
    "PYTHONDONTWRITEBYTECODE": ["1"],
    "TZ": ["Asia/Kathmandu", "nonsense"],
    "OMP_NUM_THREADS": ["0", "x", "64"],
    "LOCAL_RANK": ["0"],
    "DECA_DATA": ["/nowhere"],
    "TQDM_DISABLE": ["1"],
}
STREAMS = {
    "": "",
    "no output": ">&-",
    "no errors": "2>&-",
    "errors to a full disk": "2>/dev/full",
    "no input": "<&-",
    "a full disk": ">/dev/full",
    "a reader who leaves": "| head -c 1 >/dev/null",
    "no new files for others": "",
}
SOME = ["train", "recommend csv", "recommend parquet", "evaluate", "audit", "similar-items"]


def environment(ground: Path, said: dict, place: Path, rng: Random):
    """Some odd variables, and perhaps a stream that is closed or full."""
    name, stream = rng.choice(SOME), rng.choice(list(STREAMS))
    odd = {key: rng.choice(VARIABLES[key]) for key in rng.sample(list(VARIABLES), rng.randint(1, 3))}
    room(ground, place)
    script = f"set -o pipefail; {'umask 777; ' * (stream == 'no new files for others')}"
    script += f'"$@" {STREAMS[stream]}'
    words = [sys.executable, "-m", "deca_nb", *COMMANDS[name]]
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        cwd=place,
        env={"OMP_NUM_THREADS": "1"} | dict(os.environ) | odd,
        capture_output=True,
        timeout=SECONDS,
    )
    ended = Ended(done.returncode, *(text.decode("utf-8", "replace") for text in (done.stdout, done.stderr)))
    try:
        if stream in ("no errors", "errors to a full disk"):
            if ended.code not in (0, 2):
                raise Lost(f"exit code {ended.code}")
        else:
            need_good_end(ended)
        if ended.code == 0:
            need_same(name, place, said, "in odd surroundings")
    except Lost as lost:
        raise Lost(f"{odd} {stream}: {lost}") from lost


KINDS = {"odd environments": environment}
