"""features.json: which raw columns a model takes, and how each becomes numbers.

Belongs here: the declaration, its validation and its JSON form. Does not: arithmetic (encode.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from mlops_assets.ml.artifact.errors import ArtifactError

Kind = Literal["binary", "regression", "multiclass"]
Encoding = Literal["one_hot", "ordinal"]
Policy = Literal["nan", "zero", "error", "own"]
VERSION = 1


@dataclass(frozen=True)
class NumberColumn:
    """One number in, one number out: `(x - mean) / scale`.

    `missing` is "nan" (kept as NaN), "error", or the number put in its place before scaling.
    """

    name: str
    missing: Literal["nan", "error"] | float = "nan"
    mean: float = 0.0
    scale: float = 1.0

    @property
    def width(self) -> int:
        """Encoded columns."""
        return 1

    @property
    def encoded_names(self) -> tuple[str, ...]:
        """Names of the encoded columns, in order."""
        return (self.name,)

    def to_json(self) -> dict[str, Any]:
        """The entry of features.json."""
        entry: dict[str, Any] = {"name": self.name, "type": "number", "missing": self.missing}
        if (self.mean, self.scale) != (0.0, 1.0):
            entry |= {"mean": self.mean, "scale": self.scale}
        return entry


@dataclass(frozen=True)
class CategoryColumn:
    """A text in: one indicator for each word (one_hot) or the word's position (ordinal) out.

    `missing` and `unknown` (a word outside the vocabulary) are each "nan" (every encoded column of
    this one is NaN), "zero" (one_hot only: no indicator is set), "own" (an indicator, or a
    position after the vocabulary, of its own; missing comes first) or "error".
    """

    name: str
    encoding: Encoding
    vocabulary: tuple[str, ...]
    missing: Policy
    unknown: Policy

    @property
    def width(self) -> int:
        """Encoded columns."""
        return len(self.encoded_names)

    @property
    def encoded_names(self) -> tuple[str, ...]:
        """Names of the encoded columns, in order: the words, then missing, then unknown."""
        if self.encoding == "ordinal":
            return (self.name,)
        own = [f"{self.name}?{what}" for what in self.own]
        return (*(f"{self.name}={word}" for word in self.vocabulary), *own)

    @property
    def own(self) -> tuple[str, ...]:
        """Which of missing and unknown have a place of their own after the vocabulary."""
        policies = {"missing": self.missing, "unknown": self.unknown}
        return tuple(what for what, policy in policies.items() if policy == "own")

    def to_json(self) -> dict[str, Any]:
        """The entry of features.json."""
        return {
            "name": self.name,
            "type": "category",
            "encoding": self.encoding,
            "vocabulary": list(self.vocabulary),
            "missing": self.missing,
            "unknown": self.unknown,
        }


Column = NumberColumn | CategoryColumn


@dataclass(frozen=True)
class FeatureSpec:
    """The whole of features.json.

    `kind` says what the model answers: the probability of the positive class (binary), a value
    (regression) or one probability for each of `classes` (multiclass).
    """

    kind: Kind
    label: str
    columns: tuple[Column, ...]
    classes: tuple[str, ...] | None = None

    @property
    def width(self) -> int:
        """Columns of the encoded matrix."""
        return sum(column.width for column in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The raw columns, in the order in which a row without names lists them."""
        return tuple(column.name for column in self.columns)

    @property
    def encoded_names(self) -> tuple[str, ...]:
        """Names of the encoded columns, in order."""
        return tuple(name for column in self.columns for name in column.encoded_names)

    def to_json(self) -> dict[str, Any]:
        """The content of features.json."""
        return {
            "version": VERSION,
            "kind": self.kind,
            "label": self.label,
            "classes": None if self.classes is None else list(self.classes),
            "columns": [column.to_json() for column in self.columns],
        }

    @classmethod
    def from_json(cls, content: bytes | str | Mapping[str, Any]) -> FeatureSpec:
        """Read features.json.

        Raises ArtifactError that names the field, its value and what is allowed.

        >>> FeatureSpec.from_json({"version": 1, "kind": "binary", "label": "late", "columns":
        ...     [{"name": "distance", "type": "number", "missing": 0.0}]}).width
        1
        """
        if isinstance(content, (bytes, str)):
            try:
                content = json.loads(content)
            except ValueError as error:
                raise ArtifactError(f"features.json is not JSON: {error}") from None
        if not isinstance(content, Mapping):
            raise ArtifactError("features.json must be an object")
        _only(content, {"version", "kind", "label", "classes", "columns"}, "features.json")
        if content.get("version") != VERSION:
            raise ArtifactError(
                f"features.json: version {content.get('version')!r} is not known: write {VERSION}"
            )
        entries = content.get("columns")
        if not isinstance(entries, list) or not entries:
            raise ArtifactError("features.json: columns must be a list of at least one column")
        columns = tuple(_column(entry, index) for index, entry in enumerate(entries))
        names = [column.name for column in columns]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ArtifactError(f"features.json: columns named more than once: {twice}")
        label = content.get("label")
        if not isinstance(label, str) or not label:
            raise ArtifactError(f"features.json: label must be a name, not {label!r}")
        if label in names:
            raise ArtifactError(f"features.json: the label {label!r} is among the columns")
        kind = _choice(content.get("kind"), get_args(Kind), "features.json: kind")
        return cls(kind, label, columns, _classes(content.get("classes"), kind))


def _classes(value: Any, kind: str) -> tuple[str, ...] | None:
    if value is None:
        if kind == "multiclass":
            raise ArtifactError("features.json: a multiclass model must name its classes")
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ArtifactError(f"features.json: classes must be a list of texts, not {value!r}")
    if len(set(value)) != len(value) or len(value) < 2:
        raise ArtifactError("features.json: classes must be at least two different texts")
    if kind == "regression" or (kind == "binary" and len(value) != 2):
        raise ArtifactError(f"features.json: {len(value)} classes do not fit kind {kind!r}")
    return tuple(value)


def _column(entry: Any, index: int) -> Column:
    place = f"features.json: columns[{index}]"
    if not isinstance(entry, Mapping):
        raise ArtifactError(f"{place} must be an object, not {entry!r}")
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise ArtifactError(f"{place}: name must be a text, not {name!r}")
    place = f"{place} ({name})"
    if _choice(entry.get("type"), ("number", "category"), f"{place}: type") == "number":
        return _number(entry, name, place)
    return _category(entry, name, place)


def _number(entry: Mapping[str, Any], name: str, place: str) -> NumberColumn:
    _only(entry, {"name", "type", "missing", "mean", "scale"}, place)
    missing = entry.get("missing", "nan")
    if missing not in ("nan", "error"):
        missing = _finite(missing, f"{place}: missing (a number, 'nan' or 'error')")
    mean = _finite(entry.get("mean", 0.0), f"{place}: mean")
    scale = _finite(entry.get("scale", 1.0), f"{place}: scale")
    if scale == 0:
        raise ArtifactError(f"{place}: scale is 0: leave a constant column out, or write 1")
    return NumberColumn(name, missing, mean, scale)


def _category(entry: Mapping[str, Any], name: str, place: str) -> CategoryColumn:
    _only(entry, {"name", "type", "encoding", "vocabulary", "missing", "unknown"}, place)
    encoding = _choice(entry.get("encoding", "one_hot"), get_args(Encoding), f"{place}: encoding")
    words = entry.get("vocabulary")
    if not isinstance(words, list) or not all(isinstance(w, str) and w for w in words):
        raise ArtifactError(f"{place}: vocabulary must be a list of texts, none of them empty")
    if not words or len(set(words)) != len(words):
        raise ArtifactError(f"{place}: vocabulary must hold at least one text, each once")
    allowed = get_args(Policy) if encoding == "one_hot" else ("nan", "error", "own")
    default = "zero" if encoding == "one_hot" else "nan"
    missing = _choice(entry.get("missing", default), allowed, f"{place}: missing")
    unknown = _choice(entry.get("unknown", default), allowed, f"{place}: unknown")
    return CategoryColumn(name, encoding, tuple(words), missing, unknown)


def _only(entry: Mapping[str, Any], allowed: set[str], place: str) -> None:
    if extra := sorted(set(entry) - allowed):
        raise ArtifactError(f"{place}: unknown fields {extra}: allowed are {sorted(allowed)}")


def _choice(value: Any, allowed: tuple[str, ...], place: str) -> Any:
    if value not in allowed:
        raise ArtifactError(f"{place} is {value!r}: allowed are {list(allowed)}")
    return value


def _finite(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ArtifactError(f"{place} must be a finite number, not {value!r}")
    return float(value)
