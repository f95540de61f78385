"""What Athena and Redshift have in common: names in queries, results in S3, clients.

Here: the guard on identifiers, where a result lies, reading Parquet of a folder. Not here: either
service's calls (`athena`, `redshift`).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from mlops_assets.objects import Objects, open_objects
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sources import SourceError
from mlops_assets.settings import Settings

# Also in Glue and Redshift: letters, digits and underscores, without quotes.
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,126}")
_MOST_ATTEMPTS = 5


def check_identifiers(**given: str | Sequence[str]) -> None:
    """Raise SourceError for what is no plain name: names cannot be bound as parameters are."""
    for field, value in given.items():
        for name in [value] if isinstance(value, str) else value:
            if not _IDENTIFIER.fullmatch(name):
                raise SourceError(
                    f"{field}={name!r} is no name of a column, table or database: use letters, "
                    "digits and underscores"
                )


def quoted(*names: str) -> str:
    """Checked names as SQL: ``"sales"."orders"``."""
    return ".".join(f'"{name}"' for name in names)


def selected(columns: Sequence[str]) -> str:
    return ", ".join(map(quoted, columns)) if columns else "*"


def s3() -> Objects:
    """S3 itself: where AWS's services leave results, in whatever world the platform runs."""
    return open_objects("s3")


def result_uri(service: str, *identity: Any) -> str:
    """The folder of the result that these parts name; the same for the same."""
    settings = Settings.load()
    if not settings.bucket:
        raise SourceError(
            f"MLOPS_BUCKET is not set: {service} leaves its results in the platform's bucket"
        )
    digest = digest_of(list(identity))[:32]
    return f"s3://{settings.lake_bucket}/ingestion/{service}/{digest}"


def attempt_of(objects: Objects, folder: str) -> str:
    """The place below a result's folder that no failed attempt has left anything in."""
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        if not objects.exists(f"{folder}/{attempt}.failed"):
            return f"{folder}/{attempt}"
    raise SourceError(
        f"{_MOST_ATTEMPTS} attempts to fill {folder} failed: mend what they said and remove "
        f"{folder}/*.failed"
    )


def mark_failed(objects: Objects, place: str) -> None:
    """The place may hold something, and its query answers with its failure for ever."""
    objects.write(f"{place}.failed", b"{}")


def parquet(uris: Sequence[str]) -> pd.DataFrame:
    """The rows of Parquet objects, in the order of their names."""
    objects = s3()
    frames = []
    for uri in sorted(uris):
        try:
            frames.append(pd.read_parquet(io.BytesIO(objects.read(uri))))
        except (ValueError, OSError) as error:
            raise SourceError(f"{uri} cannot be read: {error}") from error
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def client(service: str) -> Any:
    """A client of the default chain; one a process."""
    return _opened(os.getpid(), service, Settings.load().region)


@lru_cache
def _opened(pid: int, service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(retries={"mode": "adaptive", "total_max_attempts": 5}, connect_timeout=10)
    return boto3.client(service, region_name=region, config=config)
