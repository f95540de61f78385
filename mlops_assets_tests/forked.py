"""Python commands in processes of their own that need not import everything first.

Most of what a command of a second takes is its imports. Here a process imports them once and is
forked for each command, which has its own arguments, environment, output, exit status and death,
like one that was started. Not here: what shows that a fresh interpreter can run a command; that
wants `subprocess` (`test_commands`, the tutorial, the replay).
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

# What commands come to import. Nothing that reads the environment, or starts a thread that its
# children would wait for (mlflow, onnxruntime).
_PREPARED = (
    "mlops_assets.definitions",
    "mlops_assets.sagemaker_local.lifecycle",
    "boto3",
    "dagster._cli",
    "pyarrow.parquet",
    "pyiceberg.catalog.sql",
    "rich.table",
    "typer",
)
_ONE_AT_A_TIME = threading.Lock()


def run(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """``python ARGUMENTS`` (``-c CODE …`` or ``-m MODULE …``), as `subprocess.run` tells of it."""
    with _ONE_AT_A_TIME, tempfile.TemporaryDirectory() as told:
        out, err = Path(told, "out"), Path(told, "err")
        request = {"arguments": [*arguments], "cwd": str(cwd), "env": {**env}}
        status = _parent().ask({**request, "out": str(out), "err": str(err)})
        return subprocess.CompletedProcess(
            [*arguments], status, out.read_text(errors="replace"), err.read_text(errors="replace")
        )


class _Parent:
    """The process that is forked."""

    def __init__(self) -> None:
        asked, self._asks = os.pipe()
        self._answers, answer = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(asked), str(answer)],
            cwd=Path(__file__).parents[1],
            pass_fds=(asked, answer),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(asked)
        os.close(answer)
        self._reader = os.fdopen(self._answers)
        atexit.register(self.end)

    def ask(self, request: Mapping[str, Any]) -> int:
        os.write(self._asks, json.dumps(request).encode() + b"\n")
        answer = self._reader.readline()
        if not answer:
            raise RuntimeError(f"{__name__} ended with status {self._process.wait()}")
        return int(answer)

    def end(self) -> None:
        os.close(self._asks)
        self._process.wait()


@cache
def _parent() -> _Parent:
    return _Parent()


def _next(asked: int, answer: int) -> dict[str, Any] | None:
    """In each child: what it is to run. In the parent, at the end: None."""
    with os.fdopen(asked) as reader, os.fdopen(answer, "w") as writer:
        while line := reader.readline():
            if (child := os.fork()) == 0:
                return dict(json.loads(line))
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=writer, flush=True)
    return None


def _become(request: Mapping[str, Any]) -> None:
    """What the interpreter does before it runs a command, with what is the command's own."""
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    for path, number in ((request["out"], 1), (request["err"], 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
        os.close(file)


def _command(kind: str, what: str, *rest: str) -> None:
    sys.argv = [what if kind == "-m" else kind, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as -c does


def _status(arguments: Sequence[str]) -> int:
    """Runs it, and what the interpreter does after it; returns the exit status."""
    status: object = None
    try:
        _command(*arguments)
    except SystemExit as asked:
        status = asked.code
    except Exception:  # as an interpreter tells of it
        traceback.print_exc()
        status = 1
    threading._shutdown()  # joins, and ends the pools
    atexit._run_exitfuncs()
    if isinstance(status, str):
        sys.stderr.write(f"{status}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else int(status is not None)


if __name__ == "__main__":
    for module in _PREPARED:
        importlib.import_module(module)
    gc.freeze()
    if (request := _next(*map(int, sys.argv[1:]))) is not None:
        _become(request)
        # Not by the interpreter's end: it would look through all that was imported.
        os._exit(_status(request["arguments"]))
