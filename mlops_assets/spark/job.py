"""The program of a Spark job: reads its task, makes the partitions, leaves what it found.

Here: the way in and out of a SageMaker Processing job. Not here: the work (`clean_job`,
`features_job`).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes

from mlops_assets.spark.task import Answer, Task

_MESSAGE_BYTES = 1024
log = logging.getLogger(__name__)


def main(task_at: Path, answer_at: Path) -> None:
    """Run the task in ``…/ml/processing/input/task/task.json``, and write the answer.

    What goes wrong is said in ``…/ml/output/message`` too, which SageMaker reads.

    Raises:
        Exception: what the pipeline's functions raise, `parts.ContractBroken`, and
            `session.SparkMissing`.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    task = Task.model_validate_json(task_at.read_bytes())
    sys.path[:0] = task.paths
    processing = task_at.parents[2]
    # Dagster listens for a process that was started with its context.
    dagster = DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ
    try:
        with open_dagster_pipes() if dagster else nullcontext():
            answer = run(task, scratch=processing / "scratch")
    except Exception as error:
        with suppress(OSError):
            said = message(error).encode()[:_MESSAGE_BYTES]
            (processing.parent / "output" / "message").write_bytes(said)
        raise
    answer_at.write_text(answer.model_dump_json())


def run(task: Task, *, scratch: Path) -> Answer:
    """All partitions of a task, one after the other, each on all cores.

    Shuffles and spills go to ``scratch``.
    """
    from mlops_assets.spark.clean_job import clean
    from mlops_assets.spark.features_job import features
    from mlops_assets.spark.session import session

    answer = Answer()
    name = f"{task.pipeline}-{task.station}"
    with session(name, module=task.module, paths=task.paths, scratch=scratch) as spark:
        for given in task.inputs:
            began = time.monotonic()
            if task.station == "clean":
                answer.clean[given.partition] = clean(spark, task, given)
            else:
                answer.features[given.partition] = features(spark, task, given)
            seconds = time.monotonic() - began
            log.info("%s %s: %.1f s", task.station, given.partition, seconds)
    return answer


def message(error: Exception) -> str:
    """What went wrong, in one line: of a worker's traceback the last one."""
    text = str(error).partition("JVM stacktrace")[0]
    for line in reversed(text.splitlines()):
        kind, colon, _ = line.strip().partition(": ")
        if colon and kind.replace(".", "").isidentifier():
            return line.strip()
    return repr(error)
