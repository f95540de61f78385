"""A code location of the deliveries, for a daemon that is killed; a file says what is new."""

import os
from pathlib import Path

from mlops_assets.definitions import build_defs
from mlops_assets.settings import Settings
from mlops_assets_tests import deliveries
from mlops_assets_tests.deliveries import DAYS, MadeParcels

# The module is read by the test run, too, where there is no such world.
HOME = Path(os.environ.get("MLOPS_HOME", "not-set"))


class Redelivered(MadeParcels):
    """One day, delivered as often as the file says."""

    def partitions(self) -> list[str]:
        return [DAYS[0]]

    def version(self, partition: str) -> str:
        return (HOME / "revision").read_text()


defs = build_defs(Settings.load(home=HOME), pipelines=[deliveries.declare(source=Redelivered())])
