"""Frames and figures as Dagster metadata that a person likes to look at.

Here: Markdown tables, samples without personal data, images, columns of a schema. Not here: what
they show.

Dagster's UI shows Markdown of up to 1,000 characters in place and hides the rest behind a button:
tables are written without padding, and pictures always need the click.
"""

import base64
from collections.abc import Collection, Mapping, Sequence

import dagster as dg
import pandas as pd
import pandera.pandas as pa

_ROWS = 20

# pandera's built-in rules of one argument, in fewer words than their names.
_LEAST, _MOST = "greater_than_or_equal_to", "less_than_or_equal_to"
_RULES = {
    _LEAST: "≥",
    "greater_than": ">",
    _MOST: "≤",
    "less_than": "<",
    "equal_to": "=",
    "not_equal_to": "≠",
    "isin": "one of",
    "notin": "none of",
    "str_matches": "matches",
}


def _cell(value: object, longest: int) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")[:longest]


def _markdown(frame: pd.DataFrame, longest: int = 60) -> str:
    lines = [
        "|" + "|".join(map(str, frame.columns)) + "|",
        "|" + "-|" * len(frame.columns),
        *(
            "|" + "|".join(_cell(value, longest) for value in row) + "|"
            for row in frame.to_numpy(object)
        ),
    ]
    return "\n".join(lines)


def table(frame: pd.DataFrame, *, longest: int = 60) -> dg.MarkdownMetadataValue:
    """The first rows of a frame as a Markdown table; a cell has ``longest`` characters at most."""
    if frame.empty:
        return dg.MetadataValue.md("*none*")
    more = f"\n\n… and {len(frame) - _ROWS:,} more rows" if len(frame) > _ROWS else ""
    return dg.MetadataValue.md(_markdown(frame.head(_ROWS), longest) + more)


def sample(
    frame: pd.DataFrame, *, hide: Sequence[str] = (), rows: int = 5
) -> dg.MarkdownMetadataValue:
    """A few rows spread over the frame, transposed, without the columns in ``hide``."""
    step = max(len(frame) // rows, 1)
    chosen = frame.drop(columns=[c for c in hide if c in frame.columns]).iloc[::step].head(rows)
    turned = chosen.reset_index(drop=True).T.rename(columns=lambda n: f"row {n * step:,}")
    return dg.MetadataValue.md(_markdown(turned.rename_axis("column").reset_index()))


def metrics_table(columns: Mapping[str, Mapping[str, float]]) -> dg.MarkdownMetadataValue:
    """Metrics by row, models by column."""
    return table(_fixed(pd.DataFrame(columns)).rename_axis("metric").reset_index())


def _fixed(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers with as many decimals each, so that a column can be compared by eye."""
    return frame.map(lambda value: f"{value:.4f}")


def facts(values: Mapping[str, object]) -> dg.MarkdownMetadataValue:
    """Names and values, one a line."""
    return table(pd.DataFrame({"": list(values), " ": [str(v) for v in values.values()]}))


def slices_table(
    slices: pd.DataFrame, primary: str, *, metrics: int = 3
) -> dg.MarkdownMetadataValue:
    """A table of `ml.metrics.by_slice`: rows, the primary metric and the first few others."""
    others = [c for c in slices.columns if c not in {"slice_column", "value", "rows", primary}]
    named = (slices["slice_column"] + " = " + slices["value"].astype(str)).rename("slice")
    shown = _fixed(slices[[primary, *others[: metrics - 1]]])
    return table(pd.concat([named, slices["rows"], shown], axis=1))


def columns(model: type[pa.DataFrameModel]) -> dict[str, dg.TableSchemaMetadataValue]:
    """A schema's columns with what each may hold, as an asset's definition shows them."""
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(
            dg.TableSchema(
                [
                    dg.TableColumn(str(name), str(column.dtype), _meaning(column))
                    for name, column in model.to_schema().columns.items()
                ]
            )
        )
    }


def _meaning(column: pa.Column) -> str:
    """The column's own description, else its rules in words."""
    if column.description:
        return str(column.description)
    bounds = {str(c.name): next(iter((c.statistics or {}).values()), None) for c in column.checks}
    if bounds.keys() >= {_LEAST, _MOST}:
        rules = [f"{bounds[_LEAST]} to {bounds[_MOST]}"]
        rules += [_rule(check) for check in column.checks if check.name not in (_LEAST, _MOST)]
    else:
        rules = [_rule(check) for check in column.checks]
    rules += ["unique"] if column.unique else []
    rules += ["may be missing"] if column.nullable else []
    return ", ".join(rules)


def _rule(check: pa.Check) -> str:
    words = _RULES.get(str(check.name))
    given = check.statistics or {}
    if words is None or not given:
        return str(check.error or check.name)
    value = next(iter(given.values()))
    if isinstance(value, Collection) and not isinstance(value, str):
        value = ", ".join(map(str, value))
    return f"{words} {value}"


def image(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A PNG inside the metadata, so that it needs no server of its own."""
    return dg.MetadataValue.md(
        f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"
    )
