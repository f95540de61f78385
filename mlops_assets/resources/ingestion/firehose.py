"""`FirehoseSource`: what Amazon Data Firehose delivers to S3, by the time of its events.

Here: from objects in folders of the hour of their delivery to partitions of the time of their rows.
Not here: one object's rows (`delivered`), what is remembered of objects (`firehose_index`). What
cannot be delivered Firehose puts under another prefix (``ErrorOutputPrefix``): that is not read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import time
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from mlops_assets.objects import ObjectInfo, open_objects
from mlops_assets.partitions import Partitions
from mlops_assets.resources.ingestion.delivered import Format, rows_of
from mlops_assets.resources.ingestion.firehose_index import Day, Delivered, Index
from mlops_assets.resources.ingestion.windows import (
    TimeUnit,
    complete,
    key_of,
    keys_of,
    times_of,
    window_of,
)
from mlops_assets.resources.sagemaker.names import digest_of
from mlops_assets.resources.sources import SourceError
from mlops_assets.settings import Settings

_PLAIN = r"(\d{4})/(\d{2})/(\d{2})/(\d{2})/"
_HIVE = r"year=(\d{4})/month=(\d{2})/day=(\d{2})/hour=(\d{2})/"
# A sensor asks for the version of each partition at one tick.
_LOOK_AGAIN_S = 10.0
_looks: dict[tuple[str, str], tuple[float, dict[str, dict[str, str]]]] = {}
_indexes: dict[tuple[str, str], Index] = {}


@dataclass(frozen=True, kw_only=True)
class FirehoseSource:
    """Objects in folders of the UTC hour of delivery, rows by the time of their events.

    A row that comes late lies in a late folder and belongs to an early partition, which then has
    another version. Deliveries are at least once: declare an ``entity_key`` whose second row
    `clean` drops. A row without a readable time counts to the hour of its delivery, where
    ``raw_schema`` judges it; one whose time lies outside the declared partitions is left out.

    Args:
        location: ``s3://bucket/prefix`` of the delivery stream.
        windows: the pipeline's partitions.
        event_time: the column of the event's time; None: the hour of delivery counts.
        time_unit: how ``event_time`` is written.
        form: JSON (gzip or plain, with or without line breaks), or Parquet.
        layout: ``2024/03/01/10/``, or ``year=2024/month=03/day=01/hour=10/``.
        settled_after: so long after its end, nothing is delivered to a day's folders any more.
    """

    location: str
    windows: Partitions
    event_time: str | None = None
    time_unit: TimeUnit = "iso"
    form: Format = "json"
    layout: Literal["plain", "hive"] = "plain"
    settled_after: dt.timedelta = dt.timedelta(days=2)

    def __post_init__(self) -> None:
        if self.windows.kind == "static":
            raise SourceError("FirehoseSource needs partitions of time: it has no end otherwise")
        if not self.location.startswith("s3://"):
            raise SourceError(f"location {self.location!r} is no s3:// prefix")

    def describe(self) -> str:
        by = f"the time in {self.event_time!r}" if self.event_time else "hour of delivery"
        return f"Firehose's deliveries to {self.location.rstrip('/')}/, by {by}"

    def partitions(self) -> list[str]:
        return complete(self.windows, self._look())

    def version(self, partition: str) -> str:
        """A digest of the names, sizes and times of the objects that have rows of it."""
        digest = hashlib.sha256()
        for name, version in sorted(self._files(partition).items()):
            digest.update(f"{name}\0{version}\0".encode())
        return digest.hexdigest()[:16]

    def read(self, partition: str) -> pd.DataFrame:
        """The partition's rows, in the order of their delivery."""
        window_of(self.windows, partition)
        frames = []
        for name in sorted(self._files(partition)):
            frame = self._rows(name)
            frames.append(frame[self._keys(frame, name) == partition])
        return pd.concat(frames, ignore_index=True)

    def _files(self, partition: str) -> dict[str, str]:
        found = self._look()
        if partition not in found:
            has = ", ".join([*sorted(found)[:3], "…", *sorted(found)[-1:]]) if found else "nothing"
            raise SourceError(
                f"{self.describe()}: nothing for partition {partition!r}. It has: {has}. Send "
                "some, or correct the pipeline's `source`"
            )
        return found[partition]

    def _look(self) -> dict[str, dict[str, str]]:
        """{partition: {object: its version}}, as of a few seconds ago at most."""
        settings = Settings.load()
        place = (settings.objects, digest_of([settings.lake_bucket, repr(self)]))
        looked, found = _looks.get(place, (float("-inf"), {}))
        if time.monotonic() - looked > _LOOK_AGAIN_S:
            if place not in _indexes:
                uri = f"s3://{settings.lake_bucket}/ingestion/firehose/{place[1][:16]}"
                _indexes[place] = Index(open_objects(settings.objects), uri)
            found = self._refreshed(_indexes[place], dt.datetime.now(dt.UTC))
            _looks[place] = (time.monotonic(), found)
        return found

    def _refreshed(self, index: Index, now: dt.datetime) -> dict[str, dict[str, str]]:
        closed = index.closed_until()
        days = {date: self._indexed(index, date, infos) for date, infos in self._open(closed)}
        settled = (now - self.settled_after).date()
        if closed is None or settled > closed:
            index.close(settled)
        found: dict[str, dict[str, str]] = {}
        for day in (*index.closed_days(closed), *days.values()):
            for name, delivered in day.files.items():
                for partition in delivered.rows:
                    found.setdefault(partition, {})[name] = delivered.version
        return found

    def _open(self, closed: dt.date | None) -> list[tuple[dt.date, list[ObjectInfo]]]:
        """The objects of days that are not closed, by day of delivery."""
        prefix = self.location.rstrip("/") + "/"
        pattern = "%Y/%m/%d/" if self.layout == "plain" else "year=%Y/month=%m/day=%d/"
        after = prefix + closed.strftime(pattern) if closed else ""
        days: dict[dt.date, list[ObjectInfo]] = {}
        for info in open_objects(Settings.load().objects).list(prefix, after=after):
            if hour := self._hour(info.uri):
                days.setdefault(hour.date(), []).append(info)
        return sorted(days.items())

    def _indexed(self, index: Index, date: dt.date, infos: list[ObjectInfo]) -> Day:
        """The day as it is now; objects that were looked into are not read again."""
        before = index.day(date)
        files = {}
        for info in infos:
            version, known = f"{info.size}-{info.modified}", before.files.get(info.uri)
            same = known is not None and known.version == version
            files[info.uri] = known if known and same else self._looked_into(info.uri, version)
        day = Day(files=files)
        if day != before:
            index.write(date, day)
        return day

    def _looked_into(self, name: str, version: str) -> Delivered:
        try:
            keys = pd.Series(self._keys(self._rows(name), name)).dropna().value_counts()
        except SourceError:
            # Whoever reads that hour's partition is told; the others are not held up.
            hour = self._arrival(name)
            return Delivered(version=version, rows={hour: 0} if hour else {})
        return Delivered(version=version, rows={str(k): int(n) for k, n in keys.items()})

    def _rows(self, name: str) -> pd.DataFrame:
        return rows_of(open_objects(Settings.load().objects).read(name), self.form, name)

    def _keys(self, frame: pd.DataFrame, name: str) -> pd.Series:
        """The partition of each row."""
        arrival = self._arrival(name)
        if self.event_time is None or self.event_time not in frame.columns:
            return pd.Series([arrival] * len(frame), index=frame.index, dtype=object)
        times = times_of(frame[self.event_time], self.time_unit)
        return pd.Series(keys_of(self.windows, times, arrival), index=frame.index, dtype=object)

    def _arrival(self, name: str) -> str | None:
        hour = self._hour(name)
        return None if hour is None else key_of(self.windows, pd.Timestamp(hour))

    def _hour(self, name: str) -> dt.datetime | None:
        """The hour of delivery; None for what lies in no such folder."""
        pattern = _PLAIN if self.layout == "plain" else _HIVE
        found = re.match(pattern, name.removeprefix(self.location.rstrip("/") + "/"))
        try:
            return dt.datetime(*map(int, found.groups()), tzinfo=dt.UTC) if found else None  # type: ignore[arg-type, misc]
        except ValueError:
            return None  # the 31st of June
