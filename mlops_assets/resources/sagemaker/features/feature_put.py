"""Writing a frame of features to the online store: only what changed, only the failed again.

Here: rows to records, batches with bounded threads, retries, and the proof afterwards. Not here:
groups and reads (feature_store.py); which rows are written (assets.online_features).

Feature Store keeps the record of the greatest event time and ignores others, equal ones included.
So a record whose values were corrected without a newer event is removed before it is written again.
"""

from __future__ import annotations

import datetime as dt
import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd
from botocore.exceptions import ClientError

from mlops_assets.ml.feature_record import ENTITY, EVENT_TIME, entity_id, value_text
from mlops_assets.resources.sagemaker.errors import error_code, is_transient
from mlops_assets.resources.sagemaker.features.feature_store import THREADS, read

BATCH = 25  # the service's limit for one BatchWriteRecord
_ROUNDS = 6
_PAUSE_S = 0.2
_PERMANENT = frozenset({"ValidationError", "ResourceNotFound", "AccessForbidden"})

Texts = dict[str, str]


class IncompletePut(Exception):
    """Records that are not in the store as they should be; the message counts them."""


@dataclass(frozen=True)
class PutReport:
    """What became of a frame's entities: each is in one of the first four counts.

    ``superseded``: the store has a newer record. ``retried`` writes failed at first.
    ``oldest`` and ``newest`` are event times, None of an empty frame.
    """

    written: int
    corrected: int
    unchanged: int
    superseded: int
    retried: int
    oldest: str | None
    newest: str | None


def records_of(
    frame: pd.DataFrame, key: Sequence[str], columns: Sequence[str], event_time: pd.Series
) -> dict[str, Texts]:
    """{record identifier: {feature: text}}, the newest row of each entity.

    ``event_time`` is aligned with the frame; without a zone it is UTC. Its milliseconds count, what
    is finer does not. Raises ValueError, naming row and column, for a value that cannot be stored.
    """
    times = pd.to_datetime(event_time, utc=True)
    order = times.reset_index(drop=True).sort_values(kind="stable").index
    frame, times = frame.iloc[order], times.iloc[order]
    identifiers = _texts(
        "entity key", zip(*(frame[name].tolist() for name in key), strict=True), entity_id
    )
    texts = {EVENT_TIME: times.dt.strftime("%Y-%m-%dT%H:%M:%S.%f").str[:-3].add("Z").tolist()}
    for name in columns:
        texts[name] = _texts(f"column {name!r}", frame[name].tolist(), value_text)
    rows = zip(*texts.values(), strict=True)
    return {
        identifier: {n: text for n, text in zip(texts, row, strict=True) if text is not None}
        for identifier, row in zip(identifiers, rows, strict=True)
    }


def put(runtime: Any, group: str, records: dict[str, Texts], columns: Sequence[str]) -> PutReport:
    """Bring the store up to these records, and prove that it is.

    Writing them a second time reads, and writes nothing. Raises IncompletePut when records fail for
    good or are not read back as they were written.
    """
    there = read(runtime, group, records, columns)
    corrected, unchanged, superseded = [], 0, 0
    wanted: dict[str, Texts] = {}
    for identifier, record in records.items():
        known = there.get(identifier)
        if known is not None and known[EVENT_TIME] > record[EVENT_TIME]:
            superseded += 1
        elif known == record:
            unchanged += 1
        else:
            wanted[identifier] = record
            if known is not None and known[EVENT_TIME] == record[EVENT_TIME]:
                corrected.append(identifier)
    retried = _write(runtime, group, wanted, set(corrected))
    _prove(runtime, group, wanted, columns)
    times = [record[EVENT_TIME] for record in records.values()]
    return PutReport(
        written=len(wanted) - len(corrected),
        corrected=len(corrected),
        unchanged=unchanged,
        superseded=superseded,
        retried=retried,
        oldest=min(times, default=None),
        newest=max(times, default=None),
    )


def _texts(what: str, values: Iterable[Any], read_one: Any) -> list[Any]:
    texts = []
    for row, value in enumerate(values):
        try:
            texts.append(read_one(value))
        except ValueError as wrong:
            raise ValueError(f"row {row} in order of event time, {what}: {wrong}") from None
    return texts


def _write(runtime: Any, group: str, records: dict[str, Texts], corrected: set[str]) -> int:
    """Write all; only what failed is written again. Returns how many that were."""
    retried, left, reason = 0, list(records), ""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="features") as pool:
        for round_ in range(_ROUNDS):
            if not left:
                break
            if round_:
                retried += len(left)
                time.sleep(_PAUSE_S * 2**round_ * random.random())  # noqa: S311 - a pause
            parts = [left[at : at + BATCH] for at in range(0, len(left), BATCH)]
            outcomes = pool.map(
                lambda part: _write_batch(runtime, group, records, part, corrected), parts
            )
            failed = {identifier: why for outcome in outcomes for identifier, why in outcome}
            left, reason = list(failed), next(iter(failed.values()), "")
    if left:
        raise IncompletePut(
            f"{len(left):,} of {len(records):,} records could not be written to {group} in "
            f"{_ROUNDS} rounds, the last for: {reason}. Materialize again: what is there stays"
        )
    return retried


def _write_batch(
    runtime: Any, group: str, records: dict[str, Texts], part: list[str], corrected: set[str]
) -> list[tuple[str, str]]:
    """The identifiers that were not written, each with the reason."""
    entries = [{"FeatureGroupName": group, "Record": _record(one, records[one])} for one in part]
    try:
        for identifier in corrected.intersection(part):
            _remove(runtime, group, identifier, records[identifier][EVENT_TIME])
        reply = runtime.batch_write_record(Entries=entries)
    except Exception as error:
        if not is_transient(error):
            raise
        return [(identifier, error_code(error) or type(error).__name__) for identifier in part]
    for refused in reply["Errors"]:
        if refused["ErrorCode"] in _PERMANENT:
            raise IncompletePut(
                f"{group} refuses record {_identifier(refused['Entry'])!r}: "
                f"{refused['ErrorCode']}: {refused['ErrorMessage']}"
            )
    failed = [(_identifier(one["Entry"]), one["ErrorCode"]) for one in reply["Errors"]]
    return failed + [(_identifier(entry), "unprocessed") for entry in reply["UnprocessedEntries"]]


def _record(identifier: str, texts: Texts) -> list[dict[str, str]]:
    whole = {ENTITY: identifier, **texts}
    return [{"FeatureName": name, "ValueAsString": text} for name, text in whole.items()]


def _identifier(entry: dict[str, Any]) -> str:
    return next(f["ValueAsString"] for f in entry["Record"] if f["FeatureName"] == ENTITY)


def _remove(runtime: Any, group: str, identifier: str, event_time: str) -> None:
    """Take the record of this event time out, so that it can be written again."""
    later = dt.datetime.fromisoformat(event_time) + dt.timedelta(milliseconds=1)
    try:
        runtime.delete_record(
            FeatureGroupName=group,
            RecordIdentifierValueAsString=identifier,
            EventTime=f"{later:%Y-%m-%dT%H:%M:%S}.{later.microsecond // 1000:03}Z",
            TargetStores=["OnlineStore"],
            DeletionMode="HardDelete",
        )
    except ClientError as error:
        # Removed by an earlier round, or replaced by a newer one: either way not in the way.
        if error_code(error) != "ValidationError":
            raise


def _prove(runtime: Any, group: str, written: dict[str, Texts], columns: Sequence[str]) -> None:
    """Every record reads back as it was written, or a newer one has come since."""
    left = dict(written)
    for round_ in range(_ROUNDS):
        time.sleep(_PAUSE_S * round_)
        there = read(runtime, group, left, columns)
        left = {
            identifier: record
            for identifier, record in left.items()
            if there.get(identifier) != record
            and there.get(identifier, {}).get(EVENT_TIME, "") <= record[EVENT_TIME]
        }
        if not left:
            return
    first, record = next(iter(left.items()))
    changed = sorted(n for n in record if there.get(first, {}).get(n) != record[n])
    raise IncompletePut(
        f"{len(left):,} of {len(written):,} records of {group} do not read back as they were "
        f"written: {first!r} differs in {', '.join(changed)}. Materialize again"
    )
