"""How an entity's features become the texts of a feature store's record, and numbers again.

Belongs here: the two codecs that writer and reader must share, so that training and serving see
the same values. Does not: any store (resources/sagemaker/feature_store.py, containers/online.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from mlops_assets.ml.artifact.values import is_missing

# The features that every group has beside the pipeline's columns.
ENTITY = "entity"
EVENT_TIME = "event_time"

# What would end a key's part, and what Feature Store's pattern for values (`.*`) does not match.
_ESCAPED = re.compile(r"[%|\x00-\x1f\x7f\x85\u2028\u2029]")
_LINE_END = re.compile(r"[\n\r\x85\u2028\u2029]")


def entity_id(key: Sequence[Any]) -> str:
    """The record identifier of an entity whose key has these values: texts and whole numbers.

    Reversible (`entity_parts`), and the same whether 17 comes as a number, as 17.0 or as text.
    Raises ValueError for a value that is missing, empty, or of another kind.

    >>> entity_id(["AA|1", 17])
    'AA%7C1|17'
    """
    return "|".join(_ESCAPED.sub(lambda found: quote(found[0]), _part(value)) for value in key)


def entity_parts(identifier: str) -> tuple[str, ...]:
    """The texts of a key's values.

    >>> entity_parts('AA%7C1|17')
    ('AA|1', '17')
    """
    return tuple(unquote(part) for part in identifier.split("|"))


def _part(value: Any) -> str:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"must be a text or a whole number, not {_kind(value)}")
    if not value:
        raise ValueError("must not be empty")
    return value


def value_text(value: Any) -> str | None:
    """A feature's value as the shortest text that reads back as exactly the same; None if missing.

    Missing are None, NaN, NaT and the empty text, as in `ml.artifact`. Raises ValueError for an
    infinite number, a text with a line break, and values that are neither number nor text.

    >>> value_text(0.1 + 0.2), value_text(17.0), value_text(True), value_text(float("nan"))
    ('0.30000000000000004', '17', '1', None)
    """
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, str):
        if _LINE_END.search(value):
            raise ValueError("a text with a line break cannot be stored as a feature")
        return value or None
    if is_missing(value):
        return None
    if isinstance(value, int):
        return str(int(value))
    if not isinstance(value, float):
        raise ValueError(f"must be a number or a text, not {_kind(value)}")
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{value} is not a number that can be stored")
    # Without ".0": a whole number that stands for a category is the text of the integer.
    return f"{value:.0f}" if value.is_integer() else repr(value)


def _kind(value: Any) -> str:
    return "a missing value" if is_missing(value) else type(value).__name__
