"""How large a run's task is, is declared with the pipeline."""

import dataclasses

from mlops_assets.automation.targets import targets
from mlops_assets.pipelines.digits import pipeline


def test_the_jobs_of_a_pipeline_carry_its_runs_size() -> None:
    """A partition that outgrows the task definition's memory ends each of its runs."""
    size = {"ecs/cpu": "4096", "ecs/memory": "30720"}
    large = targets(dataclasses.replace(pipeline, run_tags=size), [])
    for job in (large.loop_job, large.retraining_job):
        assert (job.tags or {}).items() >= {**size, "pipeline": "digits"}.items()
    assert targets(pipeline, []).loop_job.tags == {"pipeline": "digits"}
