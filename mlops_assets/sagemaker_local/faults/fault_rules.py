"""Which faults are wanted: the tags of a request and the file faults.json, read and checked.

Belongs here: the kinds of faults and how each is written. Does not belong here: bringing one about
(faults.py, and what a job or a fleet makes of its faults).

A tag is ``mlops-fault:KIND`` with the value ``AMOUNT [times=N] [wait=SECONDS] [instance=ml.g5]``;
the file holds a list of ``{"kind": KIND, "amount": AMOUNT, "times": N, "wait": SECONDS,
"instance": "ml.g5", "resource": "name-*", "operation": "DescribeTrainingJob"}``, of which only the
kind must be given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

PREFIX = "mlops-fault:"
FILE_NAME = "faults.json"

KINDS: dict[str, tuple[str, float]] = {
    "throttling": ("calls refused with ThrottlingException", 1),
    "resource-limit-exceeded": ("calls refused with ResourceLimitExceeded", 1),
    "capacity-error": ("seconds until the job or endpoint fails for want of capacity", 0),
    "internal-error": ("attempts at a job that fail with InternalServerError", 1),
    "spot-interruption": ("seconds of training until the spot instances are taken away", 1),
    "slow-start": ("seconds more before the first container starts", 1),
    "failed-health-check": ("seconds after which model servers count as not answering /ping", 0),
    "error-share": ("share of the invocations, 0 to 1, that end in a 500", 1),
}
"""What the amount of each kind is, and what it is where none is given."""


class FaultError(ValueError):
    """A fault is asked for in a way that is not understood; the message says how to."""


@dataclass(frozen=True)
class FaultRule:
    """One fault. ``resource`` is a pattern of names as in a shell, ``operation`` one operation's
    name or "" for all that the kind can meet, ``instance`` how the type of a job's instances must
    begin; ``times`` and ``wait`` are for interruptions."""

    kind: str
    amount: float
    times: int = 1
    wait: float = 0.0
    resource: str = "*"
    operation: str = ""
    instance: str = ""


def tagged(tags: Mapping[str, str]) -> list[FaultRule]:
    """The faults that a resource's tags ask for. Raises FaultError.

    >>> [(rule.kind, rule.amount, rule.times) for rule in tagged(
    ...     {"mlops-fault:spot-interruption": "3 times=2", "team": "x"})]
    [('spot-interruption', 3.0, 2)]
    """
    found = []
    for key, value in tags.items():
        if key.startswith(PREFIX):
            given: dict[str, Any] = {"kind": key.removeprefix(PREFIX)}
            for word in value.split():
                name, equals, text = word.partition("=")
                given[name if equals else "amount"] = text if equals else name
            found.append(_rule(given, f"tag {key}={value!r}"))
    return found


def read_rules(path: Path) -> list[FaultRule]:
    """The faults of faults.json, none where there is no such file. Raises FaultError."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise FaultError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, list) or not all(isinstance(rule, dict) for rule in content):
        raise FaultError(f"{path} must hold a list of objects")
    return [_rule(rule, f"{path}: {json.dumps(rule)}") for rule in content]


def _rule(given: Mapping[str, Any], where: str) -> FaultRule:
    known = [field.name for field in fields(FaultRule)]
    unknown = sorted(given.keys() - set(known))
    kind = str(given.get("kind", ""))
    if unknown or kind not in KINDS:
        what = f"{', '.join(unknown)} is not known" if unknown else f"there is no fault {kind!r}"
        raise FaultError(f"{where}: {what}; faults are {', '.join(KINDS)}, members {known}")
    meaning, default = KINDS[kind]
    try:
        rule = FaultRule(
            kind,
            float(given.get("amount", default)),
            int(given.get("times", 1)),
            float(given.get("wait", 0.0)),
            str(given.get("resource", "*")),
            str(given.get("operation", "")),
            str(given.get("instance", "")),
        )
        most = 1.0 if kind == "error-share" else float("inf")
        if not (0 <= rule.amount <= most and rule.times >= 0 and 0 <= rule.wait < float("inf")):
            raise ValueError("a number is out of its range")
    except (TypeError, ValueError) as error:
        raise FaultError(f"{where}: {error}; the amount is: {meaning}") from error
    return rule
