"""Which partitions' rows are in which delivered object: looked up once for each object, and kept.

Here: the index, a small JSON object a day of delivery. Not here: listing and reading objects
(`firehose`). It can be lost: it is made again from the objects.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from mlops_assets.objects import ObjectNotFound, Objects


class Delivered(BaseModel):
    """One object: its version, and {partition: rows of it}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    rows: dict[str, int]


class Day(BaseModel):
    """The objects of one day of delivery, by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, Delivered] = {}


class _Closed(BaseModel):
    """Days before this one are not listed any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    until: dt.date | None = None


@dataclass
class Index:
    """The index below ``uri``; days that are closed are read once a process."""

    objects: Objects
    uri: str
    _kept: dict[dt.date, Day] = field(default_factory=dict)

    def closed_until(self) -> dt.date | None:
        try:
            return _Closed.model_validate_json(self.objects.read(f"{self.uri}/closed.json")).until
        except ObjectNotFound:
            return None

    def close(self, until: dt.date) -> None:
        data = _Closed(until=until).model_dump_json().encode()
        self.objects.write(f"{self.uri}/closed.json", data)

    def day(self, date: dt.date) -> Day:
        try:
            return Day.model_validate_json(self.objects.read(self._day(date)))
        except ObjectNotFound:
            return Day()

    def write(self, date: dt.date, day: Day) -> None:
        self.objects.write(self._day(date), day.model_dump_json().encode())

    def closed_days(self, until: dt.date | None) -> Iterator[Day]:
        """The days before ``until`` that something was delivered on."""
        if until is None:
            return
        for info in self.objects.list(f"{self.uri}/days/"):
            date = dt.date.fromisoformat(info.uri.rpartition("/")[2].removesuffix(".json"))
            if date >= until:
                return
            if date not in self._kept:
                self._kept[date] = self.day(date)
            yield self._kept[date]

    def _day(self, date: dt.date) -> str:
        return f"{self.uri}/days/{date.isoformat()}.json"
