"""Runs one command and leaves nothing of it behind: a program of its own, started by processes.py.

Belongs here: process groups, signals, timestamps on log lines; the standard library only, because
one of these runs beside each job and model server. Does not belong here: what the command sees of
the machine (namespaces.py), why it runs, or what its end means.

Usage: ``supervisor.py SPEC`` with SPEC a JSON file (argv, env, cwd, log, log_limit, result, mount,
read_only, hosts, network, notice).
Standard input is a pipe that the server holds: ``stop SECONDS`` asks for SIGTERM and, that much
later, SIGKILL; its end means that the server is gone and everything is killed at once. A parent-
death signal would not do for that: it fires when the *thread* that spawned the process ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from typing import Any, BinaryIO

# It runs by its path, and isolated from the machine's Python: no package is found without this.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from mlops_assets.sagemaker_local.namespaces import enter_container, enter_network, libc

MAX_LINE = 256 * 1024  # CloudWatch Logs' limit of one event
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LINUX = sys.platform == "linux"


def _become(spec: dict[str, Any], output: int) -> None:
    """In the forked child: turn into the command. Does not return."""
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        if spec.get("network"):
            enter_network(spec["network"])
        if spec["mount"]:
            enter_container(spec["mount"], spec.get("read_only", []), spec.get("hosts"))
        if _LINUX:  # right here, unlike in the server: a supervisor has one thread
            libc("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(spec["cwd"])
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])  # noqa: S606
    except BaseException as error:
        os.write(2, f"could not run {spec['argv'][0]!r}: {error}\n".encode())
    os._exit(127)


def _descendants() -> list[int]:
    """All processes below this one, orphans included (it is their reaper). Linux only."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found, waiting = [], [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _kill_group(pid: int) -> None:
    """SIGKILL to a process, which may not have its group yet, and to its group."""
    _send(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class Supervisor:
    """One command from its start to the death of the last process that it left."""

    def __init__(self, spec: dict[str, Any], log: BinaryIO) -> None:
        self.spec = spec
        self.log = log
        self.written = 0
        self.partial = b""
        self.status: int | None = None
        self.kill_at: float | None = None
        self.started = time.time()
        self.output, output = os.pipe()
        self.wakeup, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(self.wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.pid = os.fork()
        if self.pid == 0:
            _become(spec, output)
        os.close(output)
        if spec.get("notice"):
            self._write_lines(spec["notice"].encode() + b"\n")

    def run(self) -> None:
        """Serve until the command has ended, then write the result file."""
        with selectors.DefaultSelector() as selector:
            for source in (0, self.output, self.wakeup):
                selector.register(source, selectors.EVENT_READ)
            while self.status is None:
                wait = None if self.kill_at is None else max(0.0, self.kill_at - time.monotonic())
                ready = [key.fd for key, _ in selector.select(wait)]
                if self.kill_at is not None and time.monotonic() >= self.kill_at:
                    self.kill_at = None
                    _kill_group(self.pid)
                if self.output in ready and not self._copy():
                    selector.unregister(self.output)
                if 0 in ready and not self._obey():
                    selector.unregister(0)
                if self.wakeup in ready:
                    os.read(self.wakeup, 4096)
                self._reap()
        ended = time.time()
        self._kill_all()
        os.set_blocking(self.output, False)
        with contextlib.suppress(BlockingIOError):
            while self._copy():
                pass
        self._write_lines(b"\n" if self.partial else b"")
        self._report(ended)

    def _obey(self) -> bool:
        """Read the control pipe; False once the server has gone."""
        text = os.read(0, 4096).decode()
        if not text:
            _kill_group(self.pid)
            return False
        self.kill_at = time.monotonic() + float(text.split()[-1])
        _send(self.pid, signal.SIGTERM)
        return True

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.pid:
                    self.status = status

    def _kill_all(self) -> None:
        """A container's processes end with its first one."""
        _kill_group(self.pid)
        if not _LINUX:
            return
        for _ in range(500):
            left = _descendants()
            if not left:
                return
            for pid in left:
                _send(pid, signal.SIGKILL)
            time.sleep(0.01)
            self._reap()

    def _copy(self) -> bool:
        data = os.read(self.output, 65536)
        self._write_lines(data)
        return bool(data)

    def _write_lines(self, data: bytes) -> None:
        """Append whole lines as ``milliseconds<TAB>text``; past the limit they are dropped."""
        *lines, self.partial = (self.partial + data).split(b"\n")
        while len(self.partial) > MAX_LINE:
            lines.append(self.partial[:MAX_LINE])
            self.partial = self.partial[MAX_LINE:]
        now, limit = b"%d\t" % (time.time() * 1000), self.spec["log_limit"]
        block = b"".join(now + line[:MAX_LINE].replace(b"\0", b"") + b"\n" for line in lines)
        if self.written <= limit < self.written + len(block):
            block = now + b"the log is full: at %d bytes the rest is dropped\n" % limit
            self.written = limit + 1
        elif self.written > limit:
            return
        with contextlib.suppress(OSError):  # a full disk must not end the job's supervision
            self.log.write(block)
        self.written += len(block)

    def _report(self, ended: float) -> None:
        assert self.status is not None  # noqa: S101
        code = os.waitstatus_to_exitcode(self.status)
        result = {"exit_code": code, "started": self.started, "ended": ended}
        with open(self.spec["result"] + ".tmp", "w") as file:
            json.dump(result, file)
        os.replace(self.spec["result"] + ".tmp", self.spec["result"])


def main() -> int:
    """See the module's docstring."""
    if _LINUX:
        libc("prctl", _PR_SET_CHILD_SUBREAPER, 1)
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    with open(spec["log"], "ab", buffering=0) as log:
        Supervisor(spec, log).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
