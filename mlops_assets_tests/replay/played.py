"""Replays of parcels as a person starts them, and what they leave behind."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.definitions import build_resources
from mlops_assets.replay import records
from mlops_assets.resources.monitoring import decisions
from mlops_assets.resources.records import Store
from mlops_assets.settings import Settings
from mlops_assets_tests.replay.parcels import DAYS

ROOT = Path(__file__).parents[2]
MODULE = "mlops_assets_tests.replay.parcels"
TIMEOUT_S = 1200


@dataclass(frozen=True)
class Played:
    """What a replay printed and left behind."""

    home: Path
    name: str
    said: str
    status: int

    @property
    def store(self) -> Store:
        return build_resources(Settings(home=self.home))["store"]

    @property
    def days(self) -> list[records.MonthRecord]:
        return [found for day in DAYS if (found := records.load(self.home, day))]

    @property
    def decisions(self) -> list[Decision]:
        return decisions.history(self.store, self.name, Decision)

    def performance(self, day: str) -> PerformanceRecord:
        return self.store.load(PerformanceRecord, self.name, "performance", day)

    def skew(self, day: str) -> SkewRecord:
        return self.store.load(SkewRecord, self.name, "skew", day)

    def runs(self) -> list[dg.DagsterRun]:
        with dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            return list(instance.get_runs())


def play(home: Path, name: str, last: str, *options: str) -> Played:
    """`mlops replay parcels` from the third day on, all rows asked."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DAGSTER_", "MLOPS_"))}
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("mlops")),
            *("replay", "parcels", "--from", DAYS[2], "--to", last, "--rows", "0"),
            *("--home", str(home), *options),
        ],
        cwd=ROOT,
        env={
            **kept,
            "MLOPS_PIPELINES": MODULE,
            "MLOPS_TRACKING_URI": os.environ["MLOPS_TRACKING_URI"],  # its tables are there already
            "COLUMNS": "200",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.terminate()  # it stops what it started, which a kill would leave behind
        said, _ = process.communicate(timeout=60)
    return Played(home, name, said, process.returncode)
