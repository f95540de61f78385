"""What the commands' tests stand on: a forked command is told of as a started one would be."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlops_assets_tests import forked

pytestmark = pytest.mark.integration
CODE = {
    "its own arguments": ("import sys; print(sys.argv)", "a", "b"),
    "its own environment": (
        "import os; print(sorted(os.environ)); os.environ['LEFT'] = 'x'; os.chdir('/')",
    ),
    "its own directory": ("import os; print(os.getcwd(), os.environ.get('LEFT'))",),
    "a status": ("import sys; print('out'); sys.exit(3)",),
    "words": ("import sys; sys.exit('no such thing')",),
    "killed": ("import os; os.kill(os.getpid(), 9)",),
    "what ends last": (
        "import atexit, threading, time; atexit.register(print, 'last')\n"
        "threading.Thread(target=lambda: (time.sleep(.2), print('thread'))).start()",
    ),
}


def started(
    arguments: tuple[str, ...], cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=env
    )


@pytest.mark.parametrize("what", CODE)
def test_it_is_told_of_as_if_it_were_started(what: str, tmp_path: Path) -> None:
    """A status or a line that goes missing here would make every test of a command pass."""
    env = {"PATH": os.environ["PATH"], "LC_CTYPE": "C.UTF-8", "OWN": what}
    arguments = ("-c", *CODE[what])
    found = forked.run(arguments, cwd=tmp_path, env=env)
    due = started(arguments, tmp_path, env)
    assert (found.returncode, found.stdout, found.stderr) == (
        due.returncode,
        due.stdout,
        due.stderr,
    )


def test_an_error_is_told_with_its_traceback(tmp_path: Path) -> None:
    done = forked.run(("-c", "1/0"), cwd=tmp_path, env=os.environ)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")
