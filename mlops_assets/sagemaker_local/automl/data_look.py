"""A look at an AutoML job's data before anything is trained: is it there, and which problem is it?

Belongs here: the header and the target's values of the training channel. Does not belong here: the
features, at which each candidate looks itself (containers/automl).
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.store import Document

_CLASSES = 20  # of numbers: more different ones are values, not classes


class UnfitData(Exception):
    """The data cannot be searched; the message becomes the job's FailureReason."""


def problem_type(automl: Document, objects: Objects) -> str:
    """The ProblemType that was given, or what the target's values look like.

    Two different values make a BinaryClassification; texts, and up to 20 different whole numbers, a
    MulticlassClassification; other numbers a Regression. Raises UnfitData for an empty channel, a
    file without the target, and a target with one value only.
    """
    tabular = automl["AutoMLProblemTypeConfig"]["TabularJobConfig"]
    target = tabular["TargetAttributeName"]
    values: set[str] = set()
    for channel in automl["AutoMLJobInputDataConfig"]:
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        found = _values(objects, uri, target)
        if channel.get("ChannelType", "training") == "training":
            values = found
    if len(values) < 2:
        raise UnfitData(f"the target {target!r} has {len(values)} different values: 2 are needed")
    given = tabular.get("ProblemType")
    return str(given) if given is not None else _likely(values)


def _values(objects: Objects, uri: str, target: str) -> set[str]:
    values: set[str] = set()
    with tempfile.TemporaryDirectory() as directory:
        if objects.download_tree(uri, Path(directory)) == 0:
            raise UnfitData(f'No S3 objects found under S3 URL "{uri}"')
        for path in sorted(Path(directory).rglob("*")):
            if path.is_file():
                values |= set(_column(path, uri, target))
    return values


def _column(path: Path, uri: str, target: str) -> Iterator[str]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            with (
                gzip.open(file) if packed else contextlib.nullcontext(file) as binary,
                io.TextIOWrapper(binary, encoding="utf-8", newline="") as text,
            ):
                rows = csv.DictReader(text)
                if target not in (rows.fieldnames or []):
                    raise UnfitData(
                        f"{path.name} below {uri} has no column {target!r}: its header is "
                        f"{', '.join(rows.fieldnames or [])[:200]}"
                    )
                yield from (row[target].strip() for row in rows if row[target])
        except (csv.Error, UnicodeError, OSError, EOFError) as error:
            raise UnfitData(f"{path.name} below {uri} is no CSV file: {error}") from None


def _likely(values: set[str]) -> str:
    if len(values) == 2:
        return "BinaryClassification"
    try:
        numbers = {float(value) for value in values}
    except ValueError:
        return "MulticlassClassification"
    whole = all(math.isfinite(number) and number == int(number) for number in numbers)
    return "MulticlassClassification" if whole and len(numbers) <= _CLASSES else "Regression"
