"""Other drift libraries, each with its defaults, in an environment of its own.

Belongs here: handing pairs of windows to a peer's script and reading what it flagged. Does not:
what the scripts do (peers/*.py), installing (benchmarks/serving/environments.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.serving.environments import NotInstalled, install

HERE = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[2]
OURS = "ours"
PEERS = ("evidently", "whylogs", "nannyml", "scipy", "frouros")
SECONDS = 900


@dataclass(frozen=True)
class Told:
    """What a peer said of one pair: the flagged columns, or the error; and its CPU seconds."""

    flagged: tuple[str, ...]
    error: str
    cpu: float


class Peers:
    """Peers under a folder of environments; a peer that cannot be installed is named once."""

    def __init__(self, cache: Path, names: Sequence[str]) -> None:
        self._pythons: dict[str, Path] = {OURS: Path(sys.executable)}
        for name in names:
            try:
                self._pythons[name] = install(HERE / f"{name}.txt", (cache / name).resolve())
            except (NotInstalled, OSError, subprocess.SubprocessError) as error:
                print(f"{name}: left out, not installed: {error}", flush=True)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._pythons)

    def ask(
        self, name: str, folder: Path, pairs: Sequence[str], *, seconds: float = SECONDS
    ) -> dict[str, Told]:
        """What a peer tells of pairs that `write` wrote; those not done in time are left out."""
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            # Two of them would phone home.
            "DO_NOT_TRACK": "1",
            "NML_DISABLE_USAGE_LOGGING": "1",
            "PYTHONPATH": str(ROOT) if name == OURS else "",
        }
        command = [str(self._pythons[name]), str(HERE / f"peer_{name}.py"), str(folder), *pairs]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds, env=environment
            )
            output, log = done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            output, log = (late.stdout or b"").decode(), f"stopped after {seconds:.0f} s"
        told = {}
        for line in output.splitlines():
            found = json.loads(line)
            told[found["name"]] = Told(
                tuple(found.get("flagged", ())), found.get("error", ""), found["cpu"]
            )
        if len(told) < len(pairs):
            last = log.strip().splitlines()[-1:] or [""]
            print(f"{name}: {len(told)} of {len(pairs)} pairs: {last[0][:160]}", flush=True)
        return told


def write(folder: Path, name: str, window: pd.DataFrame, baseline: pd.DataFrame) -> None:
    """A pair of windows for `Peers.ask`."""
    sides: Mapping[str, pd.DataFrame] = {"window": window, "baseline": baseline}
    for side, rows in sides.items():
        rows.to_parquet(folder / f"{name}.{side}.parquet", index=False)
