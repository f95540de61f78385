"""S3 as a store of objects, through boto3 with bounded adaptive retries.

Belongs here: what S3 needs beyond mlops_assets.objects (conditional writes, torn bodies). Does
not belong here: the URI rules and the store's meaning (objects.py); use open_objects("s3").
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from tenacity import (
    retry,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from mlops_assets.objects import (
    ObjectInfo,
    ObjectNotFound,
    Objects,
    missing_as_not_found,
    object_uri,
    split_uri,
)

_TORN = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)


class S3Objects(Objects):
    """Buckets of S3; the client is made at first use."""

    @cached_property
    def _client(self) -> Any:
        return boto3.client("s3", config=Config(retries={"mode": "adaptive", "max_attempts": 10}))

    @retry(
        # botocore retries the request, not the reading of its body.
        retry=retry_if_exception_type(
            (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
        ),
        stop=stop_after_attempt(5),
        wait=wait_random_exponential(0.1, 5),
        reraise=True,
    )
    def read(self, uri: str) -> bytes:
        bucket, key = object_uri(uri)
        with missing_as_not_found(uri):
            body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = object_uri(uri)
        self._client.put_object(Bucket=bucket, Key=key, Body=data)

    def write_if_absent(self, uri: str, data: bytes) -> bool:
        bucket, key = object_uri(uri)
        writer = uuid.uuid4().hex
        try:
            self._put_if_absent(bucket, key, data, writer)
        except ClientError as error:
            if _status(error) != 412:
                raise
            # Our own first try may have won and only its response been lost.
            head = self._client.head_object(Bucket=bucket, Key=key)
            return bool(head["Metadata"].get("writer") == writer)
        return True

    @retry(
        # 409: a conditional write of the same key is in flight; S3 asks to try again.
        retry=retry_if_exception(lambda error: _status(error) == 409),
        stop=stop_after_attempt(8),
        wait=wait_random_exponential(0.1, 5),
        reraise=True,
    )
    def _put_if_absent(self, bucket: str, key: str, data: bytes, writer: str) -> None:
        metadata = {"writer": writer}
        self._client.put_object(
            Bucket=bucket, Key=key, Body=data, Metadata=metadata, IfNoneMatch="*"
        )

    def exists(self, uri: str) -> bool:
        bucket, key = object_uri(uri)
        try:
            with missing_as_not_found(uri):
                self._client.head_object(Bucket=bucket, Key=key)
        except ObjectNotFound:
            return False
        return True

    def list(self, prefix_uri: str, *, after: str = "") -> Iterator[ObjectInfo]:
        bucket, key = split_uri(prefix_uri)
        start = {"StartAfter": after.removeprefix(f"s3://{bucket}/")} if after else {}
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=key, **start):
            for found in page.get("Contents", ()):
                name = found["Key"]
                inside = not key or name == key or name.startswith(key.rstrip("/") + "/")
                if inside and not name.endswith("/"):  # consoles leave "folder/" placeholders
                    modified = found["LastModified"].timestamp()
                    yield ObjectInfo(f"s3://{bucket}/{name}", found["Size"], modified)

    def folders(self, prefix_uri: str) -> Iterator[str]:
        bucket, key = split_uri(prefix_uri)
        prefix = f"{key.rstrip('/')}/" if key else ""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
            for found in page.get("CommonPrefixes", ()):
                yield found["Prefix"][len(prefix) : -1]

    def download(self, uri: str, path: Path) -> None:
        bucket, key = object_uri(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        with missing_as_not_found(uri):
            # boto3 writes to a temporary file beside it, retries torn bodies, then renames.
            self._client.download_file(bucket, key, str(path))

    def upload(self, path: Path, uri: str) -> None:
        bucket, key = object_uri(uri)
        self._client.upload_file(str(path), bucket, key)

    def delete(self, uri: str) -> None:
        bucket, key = object_uri(uri)
        self._client.delete_object(Bucket=bucket, Key=key)


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None) or {}
    status: int | None = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status
