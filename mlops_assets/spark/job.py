"""The program of a Spark job: reads its task, makes the partitions, leaves what it found.

Here: the way in and out of a job, of SageMaker Processing or of EMR Serverless. Not here: the work
(`clean_job`, `features_job`), the Spark that it is done on (`session`).
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes

from mlops_assets.objects import open_objects
from mlops_assets.spark.task import Answer, Task

_MESSAGE_BYTES = 1024
log = logging.getLogger(__name__)


def main(task: str, answer: str, said: str = "") -> None:
    """Run a task, and write the answer.

    Args:
        task, answer: of a Processing job the paths ``…/ml/processing/input/task/task.json`` and
            where SageMaker takes the answer from; of another s3:// URIs.
        said: the s3:// URI for what goes wrong; SageMaker reads ``…/ml/output/message``.

    Raises:
        Exception: what the pipeline's functions raise, `parts.ContractBroken`, and
            `session.SparkMissing`.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if task.startswith("s3://"):
        _of_objects(task, answer, said)
    else:
        _of_files(Path(task), Path(answer))


def _of_files(task_at: Path, answer_at: Path) -> None:
    processing = task_at.parents[2]
    # Dagster listens for a process that was started with its context.
    dagster = DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ
    try:
        with open_dagster_pipes() if dagster else nullcontext():
            answer = run(task_at.read_bytes(), scratch=processing / "scratch")
    except Exception as error:
        with suppress(OSError):
            (processing.parent / "output" / "message").write_bytes(_last_word(error))
        raise
    answer_at.write_text(answer.model_dump_json())


def _of_objects(task_uri: str, answer_uri: str, said_uri: str) -> None:
    objects = open_objects("s3")
    try:
        answer = run(objects.read(task_uri), scratch=None)
    except Exception as error:
        with suppress(BotoCoreError, ClientError):
            objects.write(said_uri, _last_word(error))
        raise
    objects.write(answer_uri, answer.model_dump_json().encode())


def run(given_task: bytes, *, scratch: Path | None) -> Answer:
    """All partitions of a task, one after the other, each on all that Spark has.

    Args:
        scratch: of a job that has one machine the folder for shuffles and spills; None: the Spark
            of a cluster.
    """
    task = Task.model_validate_json(given_task)
    sys.path[:0] = task.paths
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


def _last_word(error: Exception) -> bytes:
    return message(error).encode()[:_MESSAGE_BYTES]


def message(error: Exception) -> str:
    """What went wrong, in one line: of a worker's traceback the last one."""
    text = str(error).partition("JVM stacktrace")[0]
    for line in reversed(text.splitlines()):
        kind, colon, _ = line.strip().partition(": ")
        if colon and kind.replace(".", "").isidentifier():
            return line.strip()
    return repr(error)
