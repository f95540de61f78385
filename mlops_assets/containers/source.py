"""The training script's source: a directory, a .tar.gz in a channel, or one in S3.

Belongs here: finding and unpacking it, safely. Does not: running it (train.py).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mlops_assets.containers.environment import ContainerError, TrainingJob
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.unpack import unpack


def find_script(job: TrainingJob) -> Path:
    """The script to run, unpacked where needed.

    Hyperparameter `sagemaker_program` names it, relative to `sagemaker_submit_directory`: a
    directory, a .tar.gz on this machine, or s3://bucket/key.tar.gz, fetched with boto3 or, when
    MLOPS_OBJECTS is dir:PATH, from PATH/bucket/key. Without the latter, the channel `code` is
    looked into, then /opt/ml/code. Raises ContainerError naming what is missing.
    """
    program = job.settings.get("sagemaker_program") or os.environ.get("SAGEMAKER_PROGRAM")
    if not program:
        raise ContainerError(
            "hyperparameter sagemaker_program is not set: it names the script to run"
        )
    directory = _directory(job)
    script = (directory / program).resolve()
    if not script.is_relative_to(directory.resolve()):
        raise ContainerError(f"sagemaker_program {program!r} lies outside its source directory")
    if not script.is_file():
        there = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
        raise ContainerError(f"sagemaker_program {program!r} is not in the source: {there}")
    return script


def _directory(job: TrainingJob) -> Path:
    submitted = job.settings.get("sagemaker_submit_directory")
    submitted = submitted or os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY")
    if not submitted:
        channel = job.paths.channel("code")
        archive = channel / "sourcedir.tar.gz"
        if archive.is_file():
            return _unpacked(archive, job.paths.code)
        return channel if channel.is_dir() else job.paths.code
    if str(submitted).startswith("s3://"):
        archive = job.paths.base / "sourcedir.tar.gz"
        _fetch(submitted, archive)
        return _unpacked(archive, job.paths.code)
    path = Path(submitted)
    if path.parts[:3] == ("/", "opt", "ml"):  # the documented path, wherever /opt/ml really is
        path = job.paths.base.joinpath(*path.parts[3:])
    if path.is_dir():
        return path
    if path.is_file():
        return _unpacked(path, job.paths.code)
    raise ContainerError(f"sagemaker_submit_directory {submitted!r} does not exist")


def _unpacked(archive: Path, directory: Path) -> Path:
    try:
        unpack(archive, directory)
    except ArtifactError as error:
        raise ContainerError(f"the source {archive.name} is refused: {error}") from None
    return directory


def _fetch(uri: str, path: Path) -> None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not key or ".." in (bucket, *key.split("/")) or key.startswith("/"):
        raise ContainerError(f"{uri!r} does not name an object")
    objects = os.environ.get("MLOPS_OBJECTS", "s3")
    if objects.startswith("dir:"):
        stored = Path(objects.removeprefix("dir:"), bucket, key)
        if not stored.is_file():
            raise ContainerError(f"there is no {uri}")
        shutil.copyfile(stored, path)
        return
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        boto3.client("s3").download_file(bucket, key, str(path))
    except (BotoCoreError, ClientError) as error:
        raise ContainerError(f"{uri} cannot be fetched: {error}") from None
