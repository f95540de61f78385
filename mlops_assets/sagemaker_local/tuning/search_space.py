"""What a tuning job searches: ParameterRanges as parameters with bounds, scale and choices.

Belongs here: ranges read and refused, the scale that Auto stands for, values as the strings that a
training job gets. Does not belong here: choosing a point (suggestions.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mlops_assets.sagemaker_local.errors import invalid
from mlops_assets.sagemaker_local.store import Document

Value = float | int | str
MAX_TUNED = 30
_WIDE = 100.0  # bounds this many times apart are searched on a logarithmic scale by Auto
_AROUND_HINT = 10.0
_LISTS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter: its choices, or its bounds, both included, and their scale."""

    name: str
    low: float = 0.0
    high: float = 0.0
    scale: str = "Linear"
    integer: bool = False
    choices: tuple[str, ...] = ()

    @property
    def size(self) -> float:
        """How many values there are; infinite for a continuous range.

        >>> Parameter("depth", 2, 9, integer=True).size
        8
        """
        if self.choices:
            return float(len(self.choices))
        if self.integer or self.low == self.high:
            return self.high - self.low + 1
        return math.inf

    def text(self, value: Value) -> str:
        """The value as the training job gets it: all hyperparameters are strings.

        >>> Parameter("eta", 0.0, 1.0).text(0.25)
        '0.25'
        """
        return str(int(value)) if self.integer else str(value)

    def value(self, text: str) -> Value | None:
        """What ``text`` says, or None where it is no value of this range."""
        if self.choices:
            return text if text in self.choices else None
        try:
            number = float(text)
        except ValueError:
            return None
        if not self.low <= number <= self.high or (self.integer and number != int(number)):
            return None
        return int(number) if self.integer else number


def combinations(space: tuple[Parameter, ...]) -> float:
    """How many points a space has; infinite with a continuous range in it."""
    return math.prod(parameter.size for parameter in space)


def read_space(ranges: Document) -> tuple[Parameter, ...]:
    """The parameters of a ParameterRanges. ValidationException for a range that is none."""
    space = (*_parameters(ranges), *_hinted(ranges))
    names = [parameter.name for parameter in space]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise invalid(f"Hyperparameter ranges name {', '.join(twice)} more than once")
    if len(names) > MAX_TUNED:
        raise invalid(f"{len(names)} hyperparameters are tuned: {MAX_TUNED} can be at most")
    return space


def untuned_hints(ranges: Document) -> dict[str, str]:
    """AutoParameters for which no range can be chosen: they keep their ValueHint."""
    given = {item["Name"]: item["ValueHint"] for item in ranges.get("AutoParameters", [])}
    return {name: hint for name, hint in given.items() if not _number(hint)}


def _parameters(ranges: Document) -> Iterator[Parameter]:
    for kind in _LISTS:
        for item in ranges.get(kind, []):
            if kind == "CategoricalParameterRanges":
                yield _categorical(item)
            else:
                yield _numeric(item, integer=kind == "IntegerParameterRanges")


def _categorical(item: Document) -> Parameter:
    values = tuple(item["Values"])
    if len(set(values)) != len(values):
        raise invalid(f"The values of hyperparameter {item['Name']} are not distinct: {values}")
    return Parameter(item["Name"], choices=values)


def _numeric(item: Document, *, integer: bool) -> Parameter:
    name, scale = item["Name"], item.get("ScalingType", "Auto")
    low, high = (_bound(name, item[member], integer) for member in ("MinValue", "MaxValue"))
    if low > high:
        raise invalid(
            f"Hyperparameter {name}: MinValue {item['MinValue']} must not be greater than "
            f"MaxValue {item['MaxValue']}"
        )
    if scale == "Logarithmic" and low <= 0:
        raise invalid(
            f"Hyperparameter {name}: Logarithmic scaling works only for ranges that have only "
            f"values greater than 0, not from {item['MinValue']}"
        )
    if scale == "ReverseLogarithmic" and integer:
        raise invalid(f"Hyperparameter {name}: an integer range cannot be ReverseLogarithmic")
    if scale == "ReverseLogarithmic" and not 0 <= low <= high < 1:
        raise invalid(
            f"Hyperparameter {name}: ReverseLogarithmic scaling works only for ranges that are "
            f"entirely within the range 0<=x<1.0, not {item['MinValue']} to {item['MaxValue']}"
        )
    if scale == "Auto":
        scale = _auto(low, high, integer)
    return Parameter(name, low, high, scale, integer)


def _bound(name: str, text: str, integer: bool) -> float:
    try:
        number = float(int(text) if integer else float(text))
    except ValueError:
        noun = "an integer" if integer else "a number"
        raise invalid(f"Hyperparameter {name}: the bound {text!r} is not {noun}") from None
    if not math.isfinite(number):
        raise invalid(f"Hyperparameter {name}: the bound {text!r} is not finite")
    return number


def _auto(low: float, high: float, integer: bool) -> str:
    """The scale under which the range's values are spread most evenly."""
    if low > 0 and high / low >= _WIDE:
        return "Logarithmic"
    if not integer and 0 <= low <= high < 1 and (1 - low) / (1 - high) >= _WIDE:
        return "ReverseLogarithmic"
    return "Linear"


def _hinted(ranges: Document) -> Iterator[Parameter]:
    """Autotune's ranges: ten times around a number that is not 0, on a logarithmic scale."""
    for item in ranges.get("AutoParameters", []):
        number = _number(item["ValueHint"])
        if not number:
            continue
        integer = number == int(number) and not set(item["ValueHint"]) & set(".eE")
        low, high = sorted((number / _AROUND_HINT, number * _AROUND_HINT))
        if integer:
            low, high = float(math.ceil(low)), float(math.floor(high))
        elif 0 < number < 1:  # a share or a rate stays one
            high = min(high, 1.0)
        scale = "Logarithmic" if number > 0 else "Linear"
        yield Parameter(item["Name"], low, high, scale, integer)


def _number(text: str) -> float:
    """The number that a text says; 0 for any other."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
