"""Secrets are struck out of log messages before anything gets to see them.

Here: what counts as a secret, and striking it out where records are made, so that the console, the
event log and the lines of JSON alike are without it. Not here: their format (`json_lines`). Secrets
belong into no message in the first place: this is for the day on which one gets there.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

STRUCK = "<secret>"
# Variables whose value is one; what only names a secret (an ARN, a path, a variable) is none.
_VARIABLE = re.compile(r"PASSWORD|SECRET|TOKEN|WEBHOOK|PRIVATE_KEY|API_KEY")
_NO_SECRET = re.compile(r"arn:|/|\d{1,8}$")
_SHORTEST = 6
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"()\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"(://[^\s/:@]*:)[^\s/@]+(?=@)",
        r"(X-Amz-(?:Signature|Security-Token|Credential)=)[^&\s\"']+",
        r"((?<!:)(?i:password|passwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&}]{4,}",
        r"()\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
        r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?=-----END|$)",
    )
)

Redact = Callable[[str], str]


def redactor(environment: Mapping[str, str] | None = None) -> Redact:
    r"""A function that strikes secrets out of a text.

    Args:
        environment: whose variables' values are secrets where their names say so; by default the
            process's own, as it is now.

    >>> redactor({"DB_PASSWORD": "open sesame"})("tried open sesame at pg://me:pw12@db/x")
    'tried <secret> at pg://me:<secret>@db/x'
    >>> redactor({})("password=abcd, key AKIAABCDEFGHIJKLMNOP, 5 tokens")
    'password=<secret>, key <secret>, 5 tokens'
    """
    given = os.environ if environment is None else environment
    values = sorted(
        {
            value
            for name, value in given.items()
            if _VARIABLE.search(name)
            and len(value) >= _SHORTEST
            and (value.startswith("http") or not _NO_SECRET.match(value))
        },
        key=len,
        reverse=True,
    )
    known = re.compile("|".join(map(re.escape, values))) if values else None
    return partial(_redacted, known)


def _redacted(known: re.Pattern[str] | None, text: str) -> str:
    if known is not None:
        text = known.sub(STRUCK, text)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{STRUCK}", text)
    return text


def install() -> None:
    """From now on, no record of this process is made with a secret in it. Done twice, once."""
    before = logging.getLogRecordFactory()
    if isinstance(before, _Factory):
        return
    logging.setLogRecordFactory(_Factory(before, redactor()))


class _Factory:
    """Makes log records whose message is struck clean."""

    def __init__(self, before: Callable[..., logging.LogRecord], redact: Redact) -> None:
        self._before = before
        self._redact = redact

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._before(*args, **kwargs)
        try:
            said = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit: logging itself will say so
            return record
        clean = self._redact(said)
        if clean != said:
            record.msg, record.args = clean, ()
        return record
