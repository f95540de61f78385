"""A feature spec compiled to Python: one row's values in, its float32 cells out, in a single pass.

The function unrolls every column, so that a row costs some microseconds and no object but its own
values. It does the usual and gives up on all else (`GIVES_UP`): whoever calls it then goes by the
columns (encode.py), which say what is wrong and where. Belongs here: that function. Does not: any
message, or reading text into values. The tests hold both to the same answers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from numpy.typing import NDArray

from mlops_assets.ml.artifact.spec import CategoryColumn, FeatureSpec, NumberColumn
from mlops_assets.ml.artifact.values import category_text

Cells = memoryview
Fill = Callable[[Sequence[Any], Cells, int], None]
"""(values in the spec's order, float32 cells, index of the row's first cell): writes the row."""

GIVES_UP = (ValueError, TypeError, OverflowError, struct.error)

# What a number may be made of in text; float() reads more (1_000, infinity, ٣).
_DIGITS = b"0123456789+-.eE,"
_NONE_FIRST = (b"", b",")
_NAN = math.nan
_ZERO, _NANS = -1, -2  # in place of a cell's index: no cell is set, or all of them are NaN


def cells_of(array: NDArray[Any]) -> Any:
    """A contiguous array's memory as a flat memoryview, whose items cost less than NumPy's."""
    return memoryview(array.data).cast("B").cast(cast(Any, array.dtype.char))


@dataclass(frozen=True)
class CompiledRows:
    """The compiled forms of a spec.

    `values` takes what JSON holds (the caller rules out booleans), `texts` CSV fields as bytes,
    `objects` whatever Python or NumPy holds. Each raises one of GIVES_UP for a row that is wrong
    or unusual, and may have written a part of it.
    """

    values: Fill
    texts: Fill
    objects: Fill

    @classmethod
    def of(cls, spec: FeatureSpec) -> CompiledRows:
        """Compile a spec."""
        scaled = any((c.mean, c.scale) != (0, 1) for c in _numbers(spec).values())
        return cls(
            values=_compile(spec, texts=False, may_be_infinite=scaled),
            texts=_compile(spec, texts=True, may_be_infinite=scaled),
            objects=_compile(spec, texts=False, may_be_infinite=True),
        )


def _compile(spec: FeatureSpec, *, texts: bool, may_be_infinite: bool) -> Fill:
    """Write the function's source and run it; names of the spec are never part of the source."""
    scope: dict[str, Any] = {"INF": math.inf, "LESS": -math.inf, "numbers_of": _numbers_of}
    layout, packed, cells = ["="], [], []
    lines = [f"{''.join(f'v{i}, ' for i in range(len(spec.columns)))}= row"]
    numbers = _numbers(spec)
    if texts and numbers:
        given = "".join(f"v{i}, " for i in numbers)
        lines.append(f"{given}= numbers_of(({given}))")
    at = 0
    for i, column in enumerate(spec.columns):
        if isinstance(column, NumberColumn):
            layout.append("f")
            packed.append(_number(column, i, scope))
        else:
            scope[f"codes{i}"] = codes = _codes(column, at, texts)
            scope[f"rare{i}"] = _rare(column, codes, at, texts)
            lines += [f"p{i} = codes{i}.get(v{i})", f"if p{i} is None: p{i} = rare{i}(v{i})"]
            if column.encoding == "ordinal":
                layout.append("f")
                packed.append(f"p{i}")
            else:
                layout.append(f"{4 * column.width}x")
                cells.append(f"if p{i} >= 0: cells[at + p{i}] = 1.0")
                if "nan" in (column.missing, column.unknown):
                    scope[f"nans{i}"] = memoryview(struct.pack("f", _NAN) * column.width).cast("f")
                    block = f"cells[at + {at}:at + {at + column.width}]"
                    cells.append(f"elif p{i} == {_NANS}: {block} = nans{i}")
        at += column.width
    scope["pack"] = struct.Struct("".join(layout)).pack_into
    lines.append(f"made = ({''.join(f'{expression}, ' for expression in packed)})")
    if may_be_infinite:
        lines.append("if INF in made or LESS in made: raise ValueError")
    lines += ["pack(cells, 4 * at, *made)", *cells]
    source = "def fill(row, cells, at):\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(source, "<compiled feature spec>", "exec"), scope)  # noqa: S102  (made above)
    fill: Fill = scope["fill"]
    return fill


def _numbers_of(texts: Sequence[bytes]) -> list[Any]:
    """CSV fields as finite numbers, None where empty; orjson reads them in a quarter of float's
    time, which is left for what JSON does not know (.5, 007)."""
    joined = b",".join(texts)
    if joined.translate(None, _DIGITS):
        raise ValueError
    if b",," in joined or joined[:1] in _NONE_FIRST or joined[-1:] == b",":
        joined = b",".join([text or b"null" for text in texts])
    try:
        numbers: list[Any] = orjson.loads(b"[%b]" % joined)
    except orjson.JSONDecodeError:
        numbers = [float(text) if text else None for text in texts]
        if math.inf in numbers or -math.inf in numbers:
            raise ValueError from None
    return numbers


def _number(column: NumberColumn, i: int, scope: dict[str, Any]) -> str:
    """The expression of a number's cell; what is not one makes `pack` give up."""
    value = f"v{i}"
    if (column.mean, column.scale) != (0, 1):
        scope[f"mean{i}"], scope[f"scale{i}"] = column.mean, column.scale
        value = f"(v{i} - mean{i}) / scale{i}"
    if column.missing == "error":
        return f"({value} if v{i} == v{i} else None)"  # NaN is missing too
    scope[f"fill{i}"] = _NAN
    there = f"v{i} is not None"
    if isinstance(column.missing, float):
        scope[f"fill{i}"] = (column.missing - column.mean) / column.scale
        there += f" and v{i} == v{i}"
    return f"({value} if {there} else fill{i})"


def _codes(column: CategoryColumn, at: int, texts: bool) -> dict[Any, int]:
    """A word's cell within the row (one_hot) or its value (ordinal)."""
    first = 0 if column.encoding == "ordinal" else at
    words = enumerate(column.vocabulary)
    return {word.encode() if texts else word: first + code for code, word in words}


def _rare(
    column: CategoryColumn, codes: dict[Any, int], at: int, texts: bool
) -> Callable[[Any], float]:
    """What a value stands for that is not a word of the vocabulary as it is."""
    ordinal = column.encoding == "ordinal"
    policy = {
        "missing": _special(column, "missing", 0 if ordinal else at),
        "unknown": _special(column, "unknown", 0 if ordinal else at),
    }

    def rare(value: Any) -> float:
        if texts:
            text = value
        elif type(value) is str:
            text = str(value)
        else:
            text = category_text(column.name, 0, value)
        code = codes.get(text, policy["unknown"]) if text else policy["missing"]
        if code is None:
            raise ValueError
        return _NAN if ordinal and code == _NANS else code

    return rare


def _special(column: CategoryColumn, what: str, first: int) -> int | None:
    """The code of a missing or unknown value; None where it is an error."""
    if what in column.own:
        return first + len(column.vocabulary) + column.own.index(what)
    policy = column.missing if what == "missing" else column.unknown
    return {"error": None, "nan": _NANS, "zero": _ZERO}[policy]


def _numbers(spec: FeatureSpec) -> dict[int, NumberColumn]:
    return {i: c for i, c in enumerate(spec.columns) if isinstance(c, NumberColumn)}
