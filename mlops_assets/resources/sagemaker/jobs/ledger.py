"""What a pipeline's jobs of a day have cost, or may yet: one entry a job in the object store.

An entry puts the most aside that the job can cost, before the job is asked for; when the job has
ended, whoever looks next writes what it did cost. Here: entries. Not here: how much is allowed
(guard.py). Days are UTC; a job counts on the day that it was asked for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from mlops_assets.objects import Objects

# A job that is not there so long after it was put aside for was refused by SageMaker.
_REFUSED_AFTER = dt.timedelta(minutes=10)


class Entry(BaseModel):
    """One job's part of a day; ``settled``: it is what the job has cost, and stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str
    job: str
    at: dt.datetime
    usd: float
    settled: bool = False


@dataclass(frozen=True)
class Ledger:
    """The entries below ``uri``, by pipeline and day."""

    objects: Objects
    uri: str

    def put_aside(self, pipeline: str, entry: Entry) -> Entry | None:
        """Keep an entry, and return the one of the same name that it took the place of.

        A name that was refused asks again, maybe for a dearer alternate: the most of them counts,
        and from now on.
        """
        uri = self._entry(pipeline, entry)
        if self.objects.write_if_absent(uri, entry.model_dump_json().encode()):
            return None
        before = Entry.model_validate_json(self.objects.read(uri))
        usd = entry.usd if before.settled else max(before.usd, entry.usd)
        self._write(pipeline, entry.model_copy(update={"usd": usd}))
        return before

    def give_back(self, pipeline: str, entry: Entry, before: Entry | None) -> None:
        """As it was before an entry was put aside."""
        if before is None:
            self.objects.delete(self._entry(pipeline, entry))
        else:
            self._write(pipeline, before)

    def spent(
        self, pipeline: str, now: dt.datetime, cost: Callable[[Entry], float | None]
    ) -> float:
        """USD of a pipeline on the day of ``now``, what is put aside included.

        Args:
            cost: of an entry's job once it has ended; None while it may go on. A job that is not
                there costs NaN.
        """
        total = 0.0
        for info in list(self.objects.list(self._day(pipeline, now))):
            entry = Entry.model_validate_json(self.objects.read(info.uri))
            total += entry.usd if entry.settled else self._settle(pipeline, entry, now, cost)
        return total

    def _settle(
        self,
        pipeline: str,
        entry: Entry,
        now: dt.datetime,
        cost: Callable[[Entry], float | None],
    ) -> float:
        usd = cost(entry)
        if usd is None:
            return entry.usd
        if usd != usd:  # no such job
            if now - entry.at < _REFUSED_AFTER:
                return entry.usd
            usd = 0.0
        done = entry.model_copy(update={"usd": usd, "settled": True})
        self._write(pipeline, done)
        return usd

    def _write(self, pipeline: str, entry: Entry) -> None:
        self.objects.write(self._entry(pipeline, entry), entry.model_dump_json().encode())

    def _day(self, pipeline: str, at: dt.datetime) -> str:
        return f"{self.uri}/{pipeline or 'of-no-pipeline'}/{at.astimezone(dt.UTC):%Y-%m-%d}/"

    def _entry(self, pipeline: str, entry: Entry) -> str:
        return f"{self._day(pipeline, entry.at)}{entry.operation}-{entry.job}.json"
