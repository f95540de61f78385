"""The sensor daemon's own loop, killed at one of the places that Dagster has for that.

A program of its own: ``SENSOR MINUTES REVISION PLACE`` evaluates the sensor as if so many minutes
had passed, which finishes what was interrupted; then, with a new revision at the source, it does so
again and dies at the place (none: it lives).
"""

import datetime as dt
import logging
import os
import signal
import sys
import warnings
from pathlib import Path

import dagster as dg
from dagster._core.test_utils import (
    create_test_daemon_workspace_context,
    freeze_time,
    load_remote_repo,
)
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.sensor import execute_sensor_iteration

LOCATION = "mlops_assets_tests.automation.crashing_location"


def main(name: str, minutes: str, revision: str, place: str) -> None:
    warnings.simplefilter("ignore")
    target = ModuleTarget(
        module_name=LOCATION, attribute=None, working_directory=None, location_name="crashing"
    )
    logger = logging.getLogger("crashing")
    now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=int(minutes))
    with (
        dg.DagsterInstance.get() as instance,
        create_test_daemon_workspace_context(target, instance) as workspace,
    ):
        sensor = load_remote_repo(workspace, "__repository__").get_sensor(name)
        if instance.get_instigator_state(sensor.get_remote_origin_id(), sensor.selector_id) is None:
            instance.start_sensor(sensor)
        for flags in ({}, {name: {place: signal.SIGKILL}}):
            with freeze_time(now):
                list(
                    execute_sensor_iteration(workspace, logger, None, None, debug_crash_flags=flags)
                )
            Path(os.environ["MLOPS_HOME"], "revision").write_text(revision)
            now += dt.timedelta(minutes=5)


if __name__ == "__main__":
    main(*sys.argv[1:])
