"""Reading records of the online feature store, in batches and within a time.

Belongs here: the client, its timeouts, and BatchGetRecord. Does not: what a record's texts mean
(ml/feature_record.py), which request needs one (online.py). botocore is imported when it is first
needed: a container that reads no features never pays for it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# The service's own limit for one batch.
BATCH = 100

Records = dict[str, dict[str, str]]

_PAUSE_SECONDS = 0.05


class Unavailable(Exception):
    """The store did not answer, or not for every record; the message may be logged."""


def get_batch(
    client: Any, group: str, identifiers: Sequence[str], names: Sequence[str], until: float
) -> Records:
    """{identifier: {feature: text}} of those of at most 100 records that exist.

    What the service leaves unprocessed is asked for again, until `time.monotonic()` is `until`.
    Raises Unavailable then, and for an error that the service reports of any record.
    """
    found: Records = {}
    left = list(identifiers)
    while True:
        wanted: dict[str, Any] = {
            "FeatureGroupName": group,
            "RecordIdentifiersValueAsString": left,
            "FeatureNames": list(names),
        }
        reply = client.batch_get_record(Identifiers=[wanted])
        if reply["Errors"]:
            raise Unavailable(f"{group}: {reply['Errors'][0]['ErrorCode']}")
        for record in reply["Records"]:
            found[record["RecordIdentifierValueAsString"]] = _texts(record["Record"])
        left = [
            identifier
            for unprocessed in reply["UnprocessedIdentifiers"]
            for identifier in unprocessed["RecordIdentifiersValueAsString"]
        ]
        if not left:
            return found
        if time.monotonic() > until:
            raise Unavailable(f"{group}: {len(left)} records were left unprocessed")
        time.sleep(_PAUSE_SECONDS)


def batches(identifiers: Iterable[str]) -> list[list[str]]:
    """The different identifiers, at most 100 in each list."""
    unique = list(dict.fromkeys(identifiers))
    return [unique[at : at + BATCH] for at in range(0, len(unique), BATCH)]


def _texts(record: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {
        feature["FeatureName"]: feature["ValueAsString"]
        for feature in record
        if feature.get("ValueAsString") is not None
    }


class OnlineStore:
    """One group's records. Safe to use from several threads.

    A read takes `patience` seconds and one call's timeout at most.
    """

    def __init__(
        self,
        group: str,
        names: Sequence[str],
        *,
        timeout: float = 2.0,
        patience: float = 5.0,
        client: Any = None,
    ) -> None:
        self._group = group
        self._names = names
        self._timeout = timeout
        self._patience = patience
        self._client = client
        self._opening = threading.Lock()

    def open(self) -> Any:
        """The client, made once: half a second, so better before the first request needs it."""
        with self._opening:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def read(self, identifiers: Iterable[str]) -> Records:
        """The records that exist, by one BatchGetRecord for each hundred. Raises Unavailable."""
        found: Records = {}
        until = time.monotonic() + self._patience
        try:
            client = self.open()
            for batch in batches(identifiers):
                if time.monotonic() > until:
                    raise Unavailable(f"{self._group}: not read within {self._patience:g} s")
                found |= get_batch(client, self._group, batch, self._names, until)
        except Unavailable:
            raise
        except Exception as error:  # whatever goes wrong on the way there: no answer is right
            raise Unavailable(f"{self._group}: {type(error).__name__}") from error
        return found

    def _connect(self) -> Any:
        import botocore.session
        from botocore.config import Config

        return botocore.session.get_session().create_client(
            "sagemaker-featurestore-runtime",
            region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
            config=Config(
                connect_timeout=self._timeout / 2,
                read_timeout=self._timeout,
                retries={"mode": "standard", "total_max_attempts": 2},
                max_pool_connections=32,
                parameter_validation=False,  # a fifth of a call's time, for what is made here
                tcp_keepalive=True,
            ),
        )
