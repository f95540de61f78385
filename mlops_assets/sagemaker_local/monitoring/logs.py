"""CloudWatch Logs' read operations over the log files of jobs and model servers.

Belongs here: groups, streams, events and their tokens. Does not belong here: writing the files
(supervisor.py), or sending them to another CloudWatch Logs (log_push.py).

Group ``/aws/sagemaker/TrainingJobs`` and stream ``job/algo-1-1`` are the file
``<home>/logs/aws/sagemaker/TrainingJobs/job/algo-1-1.log``, one ``milliseconds<TAB>text`` a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.sagemaker_local.config import ACCOUNT, Config
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.listing import read_token, write_token
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document

TRAINING = "/aws/sagemaker/TrainingJobs"
ENDPOINTS = "/aws/sagemaker/Endpoints"
TRANSFORM = "/aws/sagemaker/TransformJobs"
PROCESSING = "/aws/sagemaker/ProcessingJobs"
_MAX_EVENTS, _MAX_BYTES = 10_000, 2**20


@dataclass(frozen=True)
class Event:
    """A log line; ``start`` and ``end`` are byte offsets in its file."""

    milliseconds: int
    text: str
    start: int
    end: int


def read_events(path: Path, start: int = 0) -> Iterator[Event]:
    """The whole lines from a byte offset on; a line that is still being written is left out."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            milliseconds, _, text = line[:-1].partition(b"\t")
            end = start + len(line)
            when = int(milliseconds) if milliseconds.isdigit() else 0  # a made-up token: mid-line
            yield Event(when, text.decode(errors="replace"), start, end)
            start = end


class Logs:
    """The operations, and the files' places."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._root = config.home / "logs"
        # In an account they exist since the first job ever; clients fail on one that does not.
        for group in (TRAINING, PROCESSING):
            (self._root / group[1:]).mkdir(parents=True, exist_ok=True)

    def operations(self) -> dict[str, Handler]:
        return {
            "DescribeLogGroups": self.describe_groups,
            "DescribeLogStreams": self.describe_streams,
            "GetLogEvents": self.get_events,
            "FilterLogEvents": self.filter_events,
        }

    def path(self, group: str, stream: str) -> Path:
        """Where a stream's lines are; both names come from this server, not from a request."""
        return self._root / group.lstrip("/") / f"{stream}.log"

    def last_line(self, group: str, stream: str) -> str:
        """The last line that says something, "" if there is none."""
        path = self.path(group, stream)
        if not path.exists():
            return ""
        said = [event.text for event in _last(path, _whole(path), 50, {}) if event.text.strip()]
        return said[-1] if said else ""

    def describe_groups(self, request: Document) -> Document:
        prefix = request.get("logGroupNamePrefix", "")
        jobs = (self._root / group[1:] for group in (TRAINING, TRANSFORM, PROCESSING))
        folders = [*jobs, *(self._root / ENDPOINTS[1:]).glob("*")]
        names = sorted(f"/{f.relative_to(self._root).as_posix()}" for f in folders if f.is_dir())
        return {
            "logGroups": [
                {"logGroupName": name, "arn": self._arn(name), "creationTime": 0}
                for name in names
                if name.startswith(prefix)
            ]
        }

    def describe_streams(self, request: Document) -> Document:
        group = _group(request)
        prefix = request.get("logStreamNamePrefix", "")
        found = [
            self._describe(group, name) for name in self._streams(group) if name.startswith(prefix)
        ]
        if request.get("orderBy") == "LastEventTime":
            found.sort(key=lambda stream: stream.get("lastEventTimestamp", 0))
        if request.get("descending"):
            found.reverse()
        start, size = read_token(request.get("nextToken")), request.get("limit", 50)
        token = write_token(start + size) if start + size < len(found) else None
        return {"logStreams": found[start : start + size], "nextToken": token}

    def get_events(self, request: Document) -> Document:
        """Tokens are byte offsets, so a tail that follows them sees each line once."""
        group = _group(request)
        path = self._existing(group, request["logStreamName"])
        limit = request.get("limit", _MAX_EVENTS)
        token = request.get("nextToken")
        if token is None and not request.get("startFromHead"):
            events = _last(path, _whole(path), limit, request)
        elif token is not None and token.startswith("b/"):
            events = _last(path, _offset(token), limit, request)
        else:
            start = 0 if token is None else _offset(token)
            events = _first(read_events(path, start), limit, request)
            if not events:
                return _events_reply([], start, start)
        if not events:
            return _events_reply([], 0, _whole(path))
        return _events_reply(events, events[0].start, events[-1].end)

    def filter_events(self, request: Document) -> Document:
        """Filter patterns: none, or words and "quoted phrases" that a line must all hold."""
        group = _group(request)
        wanted = request.get("logStreamNames")
        prefix = request.get("logStreamNamePrefix", "")
        terms = _terms(request.get("filterPattern", ""))
        found = [
            (event, name)
            for name in self._streams(group)
            if (wanted is None or name in wanted) and name.startswith(prefix)
            for event in read_events(self.path(group, name))
            if _within(event, request) and all(term in event.text for term in terms)
        ]
        found.sort(key=lambda pair: pair[0].milliseconds)
        start, size = read_token(request.get("nextToken")), request.get("limit", _MAX_EVENTS)
        token = write_token(start + size) if start + size < len(found) else None
        return {
            "events": [
                _event(event) | {"logStreamName": name, "eventId": f"{name}:{event.start}"}
                for event, name in found[start : start + size]
            ],
            "searchedLogStreams": [],
            "nextToken": token,
        }

    def _streams(self, group: str) -> list[str]:
        folder = self._root / group.lstrip("/")
        if ".." in folder.parts or not folder.is_dir():
            raise ApiError("ResourceNotFoundException", "The specified log group does not exist.")
        return sorted(
            path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.log")
        )

    def _existing(self, group: str, stream: str) -> Path:
        self._streams(group)
        path = self.path(group, stream)
        if ".." in path.parts or not path.is_file():
            raise ApiError("ResourceNotFoundException", "The specified log stream does not exist.")
        return path

    def _describe(self, group: str, name: str) -> Document:
        path = self.path(group, name)
        size = path.stat().st_size
        times: Document = {}
        if events := _last(path, size, 1, {}):
            first = next(read_events(path))
            times = {
                "firstEventTimestamp": first.milliseconds,
                "lastEventTimestamp": events[-1].milliseconds,
                "lastIngestionTime": events[-1].milliseconds,
            }
        created = times.get("firstEventTimestamp", int(path.stat().st_mtime * 1000))
        arn = f"{self._arn(group)}:log-stream:{name}"
        stream = {"logStreamName": name, "creationTime": created, "arn": arn}
        return stream | times | {"uploadSequenceToken": "1", "storedBytes": size}

    def _arn(self, group: str) -> str:
        return f"arn:aws:logs:{self._config.region}:{ACCOUNT}:log-group:{group}"


def _group(request: Document) -> str:
    name = request.get("logGroupName") or request.get("logGroupIdentifier", "")
    return str(name).rpartition(":log-group:")[2].removesuffix(":*")


def _offset(token: str) -> int:
    word, _, digits = token.partition("/")
    if word not in ("f", "b") or not digits.isdigit():
        raise ApiError("InvalidParameterException", "The specified nextToken is invalid.")
    return int(digits)


def _within(event: Event, request: Document) -> bool:
    start, end = request.get("startTime", 0), request.get("endTime")
    return event.milliseconds >= start and (end is None or event.milliseconds < end)


def _first(events: Iterator[Event], limit: int, request: Document) -> list[Event]:
    chosen: list[Event] = []
    size = 0
    for event in events:
        size += event.end - event.start
        if len(chosen) >= limit or (chosen and size > _MAX_BYTES):
            break
        if _within(event, request):
            chosen.append(event)
    return chosen


def _last(path: Path, end: int, limit: int, request: Document) -> list[Event]:
    """The last events before an offset, from one reply's worth of bytes."""
    start = max(0, end - _MAX_BYTES)
    with path.open("rb") as file:
        file.seek(start)
        skipped = len(file.readline()) if start else 0
    events = [event for event in read_events(path, start + skipped) if event.end <= end]
    return [event for event in events if _within(event, request)][-limit:]


def _whole(path: Path) -> int:
    """The size of the file's whole lines: a line may be half written."""
    with path.open("rb") as file:
        start = max(0, path.stat().st_size - _MAX_BYTES)
        file.seek(start)
        return start + file.read().rfind(b"\n") + 1


def _event(event: Event) -> Document:
    return {
        "timestamp": event.milliseconds,
        "message": event.text,
        "ingestionTime": event.milliseconds,
    }


def _events_reply(events: list[Event], start: int, end: int) -> Document:
    return {
        "events": [_event(event) for event in events],
        "nextForwardToken": f"f/{end}",
        "nextBackwardToken": f"b/{start}",
    }


def _terms(pattern: str) -> list[str]:
    if any(character in pattern for character in "{}[]?%"):
        raise ApiError(
            "InvalidParameterException",
            "The local CloudWatch Logs understands words and quoted phrases in filterPattern only",
        )
    parts = pattern.split('"')
    words = [word for part in parts[::2] for word in part.split()]
    return words + [part for part in parts[1::2] if part]
