"""Ends a run as the UI does, once its training job is under way: ``python -m … SLUG``.

Not here: what is then so (test_reference_pipelines).
"""

import sys
import time

import dagster as dg

_WITHIN_S = 600


def main(slug: str) -> None:
    import boto3

    sagemaker, until = boto3.client("sagemaker"), time.monotonic() + _WITHIN_S
    with dg.DagsterInstance.get() as instance:
        while time.monotonic() < until:
            jobs = sagemaker.list_training_jobs(NameContains=slug, StatusEquals="InProgress")
            runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
            if jobs["TrainingJobSummaries"] and runs:
                assert instance.run_coordinator.cancel_run(runs[0].run_id)
                return
            time.sleep(0.2)
    raise TimeoutError(f"no training job of {slug} began within {_WITHIN_S} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
