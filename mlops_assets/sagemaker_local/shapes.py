"""Requests and replies held to botocore's own description of the service.

Belongs here: checking a value against a shape (required members, types, lengths, ranges, patterns,
enums) and cutting a reply down to one. Does not belong here: rules that the description does not
state (limits.py).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mlops_assets.sagemaker_local.errors import ApiError, invalid

_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
}
# Java's character classes, as the nearest that Python's re can say in brackets (a superset).
_CLASSES = {
    "L": r"\w",
    "M": r"\u0300-\u036f",
    "N": r"\d",
    "Z": r" \u00a0\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    "P": r"!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u205e",
    "S": r"$+<=>^`|~\u00a2-\u00b8\u2070-\u2bff",
    "Alnum": "a-zA-Z0-9",
    "ASCII": r"\x00-\x7f",
    "Print": r"\x20-\x7e",
}


@functools.lru_cache(maxsize=2048)
def _pattern(java: str) -> re.Pattern[str] | None:
    """The pattern in Python, or None for the few in the model that are no valid expression."""

    def known(match: re.Match[str]) -> str:
        found = _CLASSES.get(match[1], match[0])
        bracketed = java.rfind("[", 0, match.start()) > java.rfind("]", 0, match.start())
        return found if bracketed else f"[{found}]"

    text = re.sub(r"\\p\{(\w+)\}", known, java)
    try:
        return re.compile(text.replace(r"\z", r"\Z"))
    except re.error:
        return None


def check(shape: Any, value: Any) -> None:
    """Raise ValidationException, naming every member that is wrong, as the service does."""
    problems = list(_problems(shape, value, ""))
    if problems:
        noun = "validation error" if len(problems) == 1 else "validation errors"
        raise invalid(f"{len(problems)} {noun} detected: {'; '.join(problems[:10])}")


def _problems(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    right = isinstance(value, _TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)
    if not right:
        raise ApiError(
            "SerializationException",
            f"{path or 'the request'} must be a {kind}, not {type(value).__name__}",
        )
    if kind == "structure":
        yield from _structure(shape, value, path)
    elif kind == "list":
        yield from _size(shape, len(value), value, path, "length")
        for number, item in enumerate(value, start=1):
            yield from _problems(shape.member, item, f"{path}.{number}.member")
    elif kind == "map":
        yield from _size(shape, len(value), value, path, "length")
        for key, item in value.items():
            yield from _problems(shape.key, key, f"{path}.key")
            yield from _problems(shape.value, item, f"{path}.{key}.member")
    elif kind == "string":
        yield from _string(shape, value, path)
    elif kind == "timestamp" and isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            yield _problem(shape, value, path, "be a timestamp")
    elif kind in ("integer", "long", "float", "double"):
        yield from _size(shape, value, value, path, "value")


def _structure(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    given = {name: item for name, item in value.items() if item is not None}
    for name in shape.required_members:
        if name not in given:
            place = _join(path, name)
            yield f"Value null at '{place}' failed to satisfy constraint: Member must not be null"
    for name, item in given.items():
        if name not in shape.members:
            yield f"Value at '{_join(path, name)}' is no member of {shape.name}"
        else:
            yield from _problems(shape.members[name], item, _join(path, name))


def _string(shape: Any, value: str, path: str) -> Iterator[str]:
    sized = list(_size(shape, len(value), value, path, "length"))
    yield from sized
    if shape.enum and value not in shape.enum:
        yield _problem(shape, value, path, f"satisfy enum value set: [{', '.join(shape.enum)}]")
    java = shape.metadata.get("pattern")
    # Only texts of allowed length meet the expression: that bounds its running time.
    if java and not sized and (pattern := _pattern(java)) and not pattern.fullmatch(value):
        yield _problem(shape, value, path, f"satisfy regular expression pattern: {java}")


def _size(shape: Any, size: float, value: Any, path: str, noun: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _problem(shape, value, path, f"have {noun} greater than or equal to {low}")
    if high is not None and size > high:
        yield _problem(shape, value, path, f"have {noun} less than or equal to {high}")


def _problem(shape: Any, value: Any, path: str, rule: str) -> str:
    text = "***" if shape.metadata.get("sensitive") else str(value)
    text = text if len(text) <= 200 else f"{text[:200]}…"
    return f"Value '{text}' at '{path}' failed to satisfy constraint: Member must {rule}"


def _join(path: str, name: str) -> str:
    """The service writes members in lower camel case."""
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member


def seconds(value: float | str) -> float:
    """A request's timestamp, which may be epoch seconds or ISO 8601, as epoch seconds."""
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else float(value)


def cut(shape: Any, value: Any) -> Any:
    """``value`` without the members that the shape does not have, and without nulls."""
    if shape is None or value is None:
        return value
    if shape.type_name == "structure":
        return {
            name: cut(member, value[name])
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if shape.type_name == "list":
        return [cut(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: cut(shape.value, item) for key, item in value.items()}
    return value
