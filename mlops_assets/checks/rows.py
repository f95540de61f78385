"""Which rows of a frame a schema accepts, and a record of those that it does not. No Dagster.

Belongs here: `check_columns`, `check_rows`, `accepted_rows`, `quarantine`, `failure_summary`.
Does not belong here: what a rule is (`rows_rules`), dtypes (`rows_columns`), asset checks.

pandera's own `drop_invalid_rows` drops valid rows where the index has duplicates, returns
uncoerced strings and drops both of two equal twins; its lazy validation costs many times the
mask. Here everything is by row position, whatever the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops_assets.checks import rows_record, rows_rules, rows_unique
from mlops_assets.checks.rows_columns import SchemaMismatch, TypedColumn, typed_columns

__all__ = [
    "RowReport",
    "SchemaMismatch",
    "accepted_rows",
    "check_columns",
    "check_rows",
    "failure_summary",
    "quarantine",
    "unique_keys",
]

REDACTED = "«redacted»"


@dataclass(frozen=True)
class RowReport:
    """accepted: (rows,) bool by position. failures: one row for each broken rule of a row:
    row (int64 position), column, rule, value (text, raw: only for the quarantine table)."""

    accepted: np.ndarray
    failures: pd.DataFrame


def check_rows(
    frame: pd.DataFrame, schema: type[pa.DataFrameModel], *, part: bool = False
) -> RowReport:
    """Judge every row by the schema: nullability, field checks, row checks, uniqueness.

    Beyond pandera's rules, a float must be finite (unless the field's metadata says
    {"allow_inf": True}) and text free of control characters and right-to-left marks (unless
    {"allow_control": True}). NaN passes only where the field is nullable. Checks declared with
    raise_warning never quarantine; coerce is not applied: dtypes are compared as they come.

    Uniqueness is judged last, among the rows that break no other rule, so a broken row cannot
    evict a good one. Of rows that agree in every column the first stays, the others go; rows
    of one key that differ all go, for nothing here can tell which is true. Hence what is
    accepted, as a set of rows, does not depend on their order.

    SchemaMismatch when the frame as a whole does not fit: a missing column, a wrong dtype, an
    unexpected column under strict, a check that answers for the whole frame and fails. Whatever
    a check function raises propagates: it is a bug, not bad data.

    Of a ``part`` of a frame that as a whole came through `check_columns`, uniqueness is not judged,
    and a column of which no value has a place in its dtype is one of bad rows, no SchemaMismatch.
    """
    model = schema.to_schema()
    columns = typed_columns(frame, model, part=part)
    found: list[tuple[str, str, np.ndarray, np.ndarray | None]] = []
    accepted = np.ones(len(frame), dtype=bool)

    def reject(column: str, rule: str, rows: np.ndarray, other: np.ndarray | None = None) -> None:
        if len(rows):
            accepted[rows] = False
            found.append((column, rule, rows, other))

    for column in columns:
        for rule, rows in rows_rules.column_failures(column):
            reject(column.name, rule, rows)
    if model.checks:
        typed = _typed_frame(columns)
        for check in model.checks:
            for name, rows in rows_rules.frame_failures(check, typed):
                reject(name, rows_rules.rule_name(check), rows)
    candidates = np.flatnonzero(accepted)
    for key in [] if part else unique_keys(frame, schema):
        for rule, rows, other in rows_unique.duplicates(frame, key, candidates):
            reject(", ".join(key), rule, rows, other)
    return RowReport(accepted, _failures(frame, found))


def check_columns(frame: pd.DataFrame, schema: type[pa.DataFrameModel]) -> None:
    """SchemaMismatch unless the frame has the schema's columns and dtypes; no row is judged."""
    typed_columns(frame, schema.to_schema())


def unique_keys(frame: pd.DataFrame, schema: type[pa.DataFrameModel]) -> list[list[str]]:
    """The frame's columns, or columns together, whose values the schema says to be unique."""
    model = schema.to_schema()
    keys = []
    for name, column in model.columns.items():
        names = column.get_regex_columns(frame) if column.regex else [name]
        keys += [[str(n)] for n in names if column.unique and n in frame.columns]
    return [*keys, list(model.unique)] if model.unique else keys


def accepted_rows(
    frame: pd.DataFrame, report: RowReport, schema: type[pa.DataFrameModel]
) -> pd.DataFrame:
    """The accepted rows in their order under a new RangeIndex, mixed columns in their dtype."""
    _require_same(frame, report)
    kept = frame.iloc[np.flatnonzero(report.accepted)].reset_index(drop=True)
    for column in typed_columns(kept, schema.to_schema()):
        kept[column.name] = column.values
    return kept


def quarantine(
    frame: pd.DataFrame, report: RowReport, *, redact: Sequence[str] = ()
) -> pd.DataFrame:
    """One row for each row that is not accepted: row (int64), reasons, record (both text).

    reasons reads 'column: rule; column: rule'. record is the raw row as JSON that loses nothing
    (`rows_record.decode` reads it back), the values of the columns in `redact` replaced by
    '«redacted»'. ValueError for a redacted column that the frame lacks: a misspelt name would
    leak what it was to hide.
    """
    _require_same(frame, report)
    unknown = [name for name in redact if name not in frame.columns]
    if unknown:
        raise ValueError(f"redact names {unknown}, which are no columns: {list(frame.columns)}")
    rows = np.flatnonzero(~report.accepted)
    bad = frame.iloc[rows]
    names = [str(name) for name in frame.columns]
    cells = [
        [REDACTED] * len(rows) if name in redact else rows_record.column_values(bad[name])
        for name in frame.columns
    ]
    reasons = _reasons(report, rows)
    records = [
        rows_record.encode(dict(zip(names, values, strict=True)))
        for values in zip(*cells, strict=True)
    ]
    result = pd.DataFrame(
        {
            "row": rows.astype(np.int64),
            "reasons": pd.Series(reasons, dtype="str"),
            "record": pd.Series(records, dtype="str"),
        }
    )
    if int(report.accepted.sum()) + len(result) != len(frame) or "" in reasons:
        raise AssertionError(
            f"{int(report.accepted.sum())} accepted + {len(result)} quarantined rows, "
            f"{reasons.count('')} without a reason, for {len(frame)} read: "
            "this is a bug in mlops_assets.checks.rows"
        )
    return result


def failure_summary(report: RowReport) -> pd.DataFrame:
    """column, rule, rows (how many break it), most first. No values: fit for metadata."""
    counts = report.failures.groupby(["column", "rule"], sort=True)["row"].nunique()
    table = counts.rename("rows").reset_index()
    return table.sort_values("rows", ascending=False, kind="stable", ignore_index=True)


def _typed_frame(columns: list[TypedColumn]) -> pd.DataFrame:
    """The typed columns side by side, without the rows that one of them has no value for."""
    return pd.concat([c.values.rename(c.name) for c in columns], axis=1, join="inner")


def _failures(
    frame: pd.DataFrame, found: list[tuple[str, str, np.ndarray, np.ndarray | None]]
) -> pd.DataFrame:
    parts = []
    for column, rule, rows, other in found:
        if other is not None:
            values = [f"row {at}" for at in other]
        elif column in frame.columns:
            values = _texts(frame[column].iloc[rows])
        else:
            values = [""] * len(rows)
        parts.append(pd.DataFrame({"row": rows, "column": column, "rule": rule, "value": values}))
    if not parts:
        parts = [pd.DataFrame({"row": [], "column": [], "rule": [], "value": []})]
    dtypes = {"row": "int64", "column": "str", "rule": "str", "value": "str"}
    return (
        pd.concat(parts, ignore_index=True)
        .astype(dtypes)
        .sort_values("row", kind="stable", ignore_index=True)
    )


def _texts(values: pd.Series) -> list[str]:
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iufb":
        return values.to_numpy().astype("U").tolist()
    return [_text(value) for value in values.astype(object)]


def _text(value: object) -> str:
    text = str(value)
    text = text if len(text) <= 200 else text[:199] + "…"
    return text.encode("utf-8", "backslashreplace").decode()


def _reasons(report: RowReport, rows: np.ndarray) -> list[str]:
    by_row: dict[int, list[str]] = {int(row): [] for row in rows}
    failures = report.failures
    for row, column, rule, value in zip(
        failures["row"], failures["column"], failures["rule"], failures["value"], strict=True
    ):
        clash = rule in (rows_unique.REPEATS, rows_unique.CONFLICTS)
        by_row[row].append(f"{column}: {rule} {value}" if clash else f"{column}: {rule}")
    return ["; ".join(reasons) for reasons in by_row.values()]


def _require_same(frame: pd.DataFrame, report: RowReport) -> None:
    if len(frame) != len(report.accepted):
        raise ValueError(
            f"the report is about {len(report.accepted)} rows, the frame has {len(frame)}: "
            "give the frame that was checked"
        )
