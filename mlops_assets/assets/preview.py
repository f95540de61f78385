"""Frames and figures as Dagster metadata that a person likes to look at.

Here: Markdown tables, samples without personal data, images. Not here: what they show.
"""

import base64
from collections.abc import Mapping, Sequence

import dagster as dg
import pandas as pd

_ROWS = 20


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")[:60]


def _markdown(frame: pd.DataFrame) -> str:
    lines = [
        "| " + " | ".join(map(str, frame.columns)) + " |",
        "|" + " --- |" * len(frame.columns),
        *("| " + " | ".join(map(_cell, row)) + " |" for row in frame.to_numpy(object)),
    ]
    return "\n".join(lines)


def table(frame: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """The first rows of a frame as a Markdown table."""
    if frame.empty:
        return dg.MetadataValue.md("*none*")
    more = f"\n\n… and {len(frame) - _ROWS:,} more rows" if len(frame) > _ROWS else ""
    return dg.MetadataValue.md(_markdown(frame.head(_ROWS)) + more)


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
    frame = pd.DataFrame(columns).rename_axis("metric").reset_index()
    return table(frame)


def image(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A PNG inside the metadata, so that it needs no server of its own."""
    return dg.MetadataValue.md(
        f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"
    )
