"""The program of a Spark job: reads its task, makes the partitions, leaves what it found.

Here: the way in and out, the same on SageMaker Processing and EMR Serverless. Not here: the work
(`clean_job`, `features_job`).
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress
from pathlib import Path

from mlops_assets.objects import open_objects
from mlops_assets.spark.task import Answer, Task

_MESSAGE_BYTES = 1024
log = logging.getLogger(__name__)


def main(task_at: str, answer_at: str) -> None:
    """Run the task at one path or s3:// URI, and write the answer to another.

    Raises:
        Exception: what the pipeline's functions raise, and `ContractBroken`.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    task = Task.model_validate_json(_read(task_at))
    sys.path[:0] = task.paths
    local = None if task_at.startswith("s3://") else Path(task_at).parent.parent.parent / "scratch"
    try:
        answer = run(task, scratch=local)
    except Exception as error:
        _say(Path(task_at).parents[3] / "output" if local else None, error)
        raise
    _write(answer_at, answer.model_dump_json().encode())


def run(task: Task, *, scratch: Path | None = None) -> Answer:
    """All partitions of a task, one after the other, each on all cores."""
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


def _read(at: str) -> bytes:
    return open_objects("s3").read(at) if at.startswith("s3://") else Path(at).read_bytes()


def _write(at: str, data: bytes) -> None:
    if at.startswith("s3://"):
        open_objects("s3").write(at, data)
    else:
        Path(at).parent.mkdir(parents=True, exist_ok=True)
        Path(at).write_bytes(data)


def _say(folder: Path | None, error: Exception) -> None:
    """What went wrong, where SageMaker reads it: of a worker's traceback the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    python = [
        line
        for line in lines
        if ": " in line and line.split(":")[0].replace(".", "").isidentifier()
    ]
    said = python[-1] if python else repr(error)
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "message").write_bytes(said.encode()[:_MESSAGE_BYTES])
