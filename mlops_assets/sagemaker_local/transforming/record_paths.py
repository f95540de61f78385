"""The part of JSONPath that DataProcessing's filters are written in.

Belongs here: `$`, `.name`, `['name']`, `[n]`, `[n,m]`, `[a:b]`, and what they select of a value.
Does not belong here: what a record is (transform_records.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)"
    r"|\.?\['(?P<quoted>[^']+)'\]"
    r"|\[(?P<indexes>-?\d+(?:,-?\d+)*)\]"
    r"|\[(?P<first>-?\d*):(?P<last>-?\d*)\]"
)
_KNOWN = "$, .name, ['name'], [n], [n,m] and [a:b]"


class NotSelectable(ValueError):
    """The record has nothing at the path; the message names the step."""


@dataclass(frozen=True)
class RecordPath:
    """A parsed path; ``steps`` are names, positions (a tuple) or a slice."""

    text: str
    steps: tuple[str | tuple[int, ...] | slice, ...]

    @property
    def whole(self) -> bool:
        """Whether it selects the record as it is."""
        return not self.steps

    def of(self, record: Any) -> Any:
        """What the path selects. Raises NotSelectable."""
        value = record
        for step in self.steps:
            value = self._step(step, value)
        return value

    def _step(self, step: str | tuple[int, ...] | slice, value: Any) -> Any:
        if isinstance(step, str):
            if isinstance(value, dict) and step in value:
                return value[step]
            raise NotSelectable(f"{self.text!r} finds no {step!r} in the record")
        if not isinstance(value, list):
            raise NotSelectable(f"{self.text!r} needs a list where the record has none")
        if isinstance(step, slice):
            return value[step]
        try:
            found = [value[position] for position in step]
        except IndexError:
            raise NotSelectable(
                f"{self.text!r} asks for more than the record's {len(value)} values"
            ) from None
        return found[0] if len(found) == 1 else found


def record_path(text: str) -> RecordPath:
    """Parse a filter. Raises ValueError, naming what is understood.

    >>> record_path("$.rows[1:]").of({"rows": [1, 2, 3]})
    [2, 3]
    """
    position = 1
    steps: list[str | tuple[int, ...] | slice] = []
    while text.startswith("$") and position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            break
        position = found.end()
        if found["indexes"] is not None:
            steps.append(tuple(int(number) for number in found["indexes"].split(",")))
        elif found["first"] is not None:
            bounds = (int(bound) if bound else None for bound in (found["first"], found["last"]))
            steps.append(slice(*bounds))
        else:
            steps.append(found["name"] or found["quoted"])
    if not text.startswith("$") or position < len(text):
        raise ValueError(f"{text!r} is not understood by the local SageMaker API: use {_KNOWN}")
    return RecordPath(text, tuple(steps))
