"""A virtual environment for each peer, built once from its pinned requirements; and what a peer has
to be given before it starts.

Belongs here: installing and preparing. Does not: what the peers are (catalog.py).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.catalog import Peer
from benchmarks.serving.process import free_port

HERE = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[2]
STAMP = "installed"
BUILD_SECONDS = 1200


class NotInstalled(Exception):
    """A peer's environment could not be built or its model not prepared; says why."""


@dataclass(frozen=True)
class Start:
    """What to start: arguments and variables, and the port that it will listen on."""

    command: list[str]
    environment: dict[str, str]
    port: int


class Environments:
    """Environments and prepared models under one folder."""

    def __init__(self, cache: Path, artifact: Path) -> None:
        self._cache = cache.resolve()
        self._artifact = artifact.resolve()
        # The project's server looks for its model under a base, as in a container.
        self._base = self._cache / "base" / artifact.parent.name
        self._base.mkdir(parents=True, exist_ok=True)
        link = self._base / "model"
        if not link.is_symlink():
            link.symlink_to(self._artifact)

    def prepare(self, peer: Peer) -> None:
        """Install and prepare what is not there yet. Raises NotInstalled."""
        if peer.environment_name is not None:
            self._install(peer.environment_name)
        names = self._names(peer)
        work = self._work(peer)
        work.mkdir(parents=True, exist_ok=True)
        if peer.pipeline and not (work / "pipeline.joblib").exists():
            self._run(peer, f"pipeline.py {self._artifact} {work / 'pipeline.joblib'}")
        if peer.prepare and not (work / "prepared").exists():
            self._run(peer, peer.prepare.format(**names))
            (work / "prepared").touch()

    def start(self, peer: Peer) -> Start:
        """How to start a prepared peer, on ports that are free now."""
        names = self._names(peer)
        variables = {key: value.format(**names) for key, value in peer.environment.items()}
        # Some leave files in the home directory.
        common = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": names["work"]}
        command = [word.format(**names) for word in peer.command.split()]
        return Start(command, {**common, **variables}, int(names["port"]))

    def _names(self, peer: Peer) -> dict[str, str]:
        work = self._work(peer)
        return {
            "bin": str(self._bin(peer)),
            "port": str(free_port()),
            "other": str(free_port()),
            "third": str(free_port()),
            "artifact": str(self._artifact),
            "base": str(self._base),
            "pipeline": str(work / "pipeline.joblib"),
            "work": str(work),
            "here": str(HERE),
            "root": str(ROOT),
            "path": os.environ["PATH"],
        }

    def _work(self, peer: Peer) -> Path:
        return self._cache / "work" / self._artifact.parent.name / peer.name

    def _bin(self, peer: Peer) -> Path:
        if peer.environment_name is None:
            return Path(sys.executable).parent
        return self._cache / "environments" / peer.environment_name / "bin"

    def _install(self, name: str) -> None:
        install(HERE / f"{name}.txt", self._cache / "environments" / name)

    def _run(self, peer: Peer, script: str) -> None:
        name, *arguments = script.split()
        _call([str(self._bin(peer) / "python"), str(HERE / name), *arguments])


def install(requirements: Path, directory: Path) -> Path:
    """A virtual environment with exactly these requirements, made if it is not there yet.

    Returns its Python. Raises NotInstalled.
    """
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp, python = directory / STAMP, directory / "bin" / "python"
    if stamp.exists() and stamp.read_text() == digest:
        return python
    print(f"installing {requirements.name} …", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        _call([uv, "venv", "-q", "--python", sys.executable, str(directory)])
        _call([uv, "pip", "install", "-q", "--python", str(python), "-r", str(requirements)])
    else:
        _call([sys.executable, "-m", "venv", str(directory)])
        _call([str(python), "-m", "pip", "install", "-q", "-r", str(requirements)])
    stamp.write_text(digest)
    return python


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if done.returncode:
        raise NotInstalled(f"{' '.join(command[:6])} …: {(done.stderr or done.stdout)[-600:]}")
