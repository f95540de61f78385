"""One captured value, typed as the feature schema types its column.

Here: what counts as a number, a whole number, a truth value, a time or a text, as the model server
reads them. Not here: which values a request holds (`capture_rows`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mlops_assets.ml.artifact.errors import EncodingError
from mlops_assets.ml.artifact.values import category_text, is_missing
from mlops_assets.resources.monitoring.attributes import moment

_NUMBER = frozenset("0123456789+-.eE")
_TRUE, _FALSE = {"true", "True", "1"}, {"false", "False", "0"}
_INT64 = range(-(2**63), 2**63)


def reader(kind: str) -> Callable[[Any], Any]:
    """What reads a value of a column with this dtype; None for one that is missing.

    The reader raises ValueError for a value that the column cannot hold.

    >>> reader("int64")("17"), reader("float64")(17), reader("str")(17.0), reader("bool")(1)
    (17, 17.0, '17', True)
    """
    lower = kind.lower()
    if lower.startswith("float"):
        read: Callable[[Any], Any] = _float
    elif lower.startswith(("int", "uint")):
        read = _int
    elif lower.startswith("bool"):
        read = _bool
    elif lower.startswith("datetime"):
        read = _time if "," in kind or "tz" in lower else _wall_clock
    else:
        read = _text

    def read_value(value: Any) -> Any:
        if value is None or value == "" or is_missing(value):
            return None
        return read(value)

    return read_value


def is_number(text: str) -> bool:
    """Whether a CSV field is a number (or nan)."""
    try:
        _float(text)
    except ValueError:
        return False
    return True


def _float(value: Any) -> float | None:
    if type(value) is float and value - value == 0:
        return value
    if isinstance(value, str):
        text = value.strip()
        if text in ("", "nan", "NaN"):
            return None
        if not _NUMBER.issuperset(text):
            raise ValueError(text)
        value = text
    elif isinstance(value, bool):
        raise ValueError("a boolean")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("too large") from error
    if math.isinf(number):
        raise ValueError("infinite")
    return number


def _int(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.strip().lstrip("+-").isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        number = _float(value)
        if number is None:
            return None
        if not number.is_integer():
            raise ValueError("not whole")
        value = int(number)
    if value not in _INT64:
        raise ValueError("too large")
    return int(value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().removesuffix(".0")
    if text in _TRUE | _FALSE:
        return text in _TRUE
    raise ValueError("no boolean")


def _text(value: Any) -> str | None:
    try:
        return category_text("", 0, value)
    except EncodingError as error:
        raise ValueError("no text") from error


def _wall_clock(value: Any) -> Any:
    return _time(value).tz_localize(None)


def _time(value: Any) -> Any:
    found = moment(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("no time")
    return found
