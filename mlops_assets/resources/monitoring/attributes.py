"""What a caller tells of a request beside its rows, in SageMaker's CustomAttributes.

Here: the text and its reading: when the event happened, and whether the request was a probe of our
own. Not here: who sends it (`assets.monitoring.captured.events`, `sagemaker.rollout.probe`),
records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

EVENT_TIME, PROBE = "event_time", "mlops_probe"
PROBE_ATTRIBUTES = f"{PROBE}=1"
"""CustomAttributes of requests that we send to look after an endpoint: they are no events."""


@dataclass(frozen=True)
class Attributes:
    """``event_time``: as it was sent, None where it was not; ``probe``: the request is ours."""

    event_time: str | None = None
    probe: bool = False


def render(event_time: pd.Timestamp) -> str:
    """CustomAttributes that say when the event happens.

    >>> render(pd.Timestamp("2013-05-01 10:00", tz="America/New_York"))
    'event_time=2013-05-01T14:00:00+00:00'
    """
    return f"{EVENT_TIME}={event_time.tz_convert('UTC').isoformat()}"


def parse(texts: Sequence[str]) -> Attributes:
    """What is known of captured attributes; whatever else a caller sent is left to them.

    >>> parse(["tenant=7; event_time=2013-05-01T14:00Z"])
    Attributes(event_time='2013-05-01T14:00Z', probe=False)
    """
    parts = [part.partition("=") for text in texts for part in text.replace(",", ";").split(";")]
    found = {name.strip().lower(): value.strip() for name, _, value in parts}
    return Attributes(found.get(EVENT_TIME) or None, found.get(PROBE) == "1")


def moment(text: str) -> pd.Timestamp | None:
    """An ISO 8601 time in UTC, which is also what a time without a zone counts as; None for
    anything else.

    >>> moment("2013-05-01T14:00:00+02:00"), moment("soon")
    (Timestamp('2013-05-01 12:00:00+0000', tz='UTC'), None)
    """
    try:
        found = pd.Timestamp(text)
    except (ValueError, OverflowError):
        return None
    if not isinstance(found, pd.Timestamp) or not text[:4].isdigit():
        return None  # NaT, and words such as "now"
    utc = found.tz_localize("UTC") if found.tzinfo is None else found.tz_convert("UTC")
    return utc.as_unit("us")
