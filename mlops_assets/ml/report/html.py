"""A report of chapters with figures and tables, as one self-contained HTML page.

Belongs here: structure and escaping. Does not belong here: how it looks (`style`), what it says.
Everything that a caller gives is text and is escaped; a picture is PNG bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from mlops_assets.ml.report.style import CSS

Mark = Literal["healthy", "warning", "failing", "unknown"]


@dataclass(frozen=True)
class Figure:
    """A picture with the sentence below it; ``alt`` says it to who cannot see it."""

    png: bytes
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of texts below their heads; columns named in ``numbers`` are aligned right.

    A cell that is one of the marks (``healthy``, …) is shown as one.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: Collection[str] = ()
    caption: str = ""


@dataclass(frozen=True)
class Chapter:
    """A heading with its mark, what there is to say, and what shows it."""

    title: str
    words: str
    mark: Mark | None = None
    content: tuple[Figure | Table, ...] = field(default=())


def page(
    *, title: str, subtitle: str, mark: Mark, because: str, chapters: Sequence[Chapter], foot: str
) -> str:
    """The whole report.

    >>> made = page(title="a<b", subtitle="", mark="healthy", because="", chapters=[], foot="")
    >>> "a&lt;b" in made, "a<b" in made
    (True, False)
    """
    # The one style is allowed by its digest: nothing that a text could smuggle in runs or loads.
    digest = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'"
    contents = "".join(
        f'<li><a href="#c{place}">{escape(chapter.title)}</a>{_badge(chapter.mark)}</li>'
        for place, chapter in enumerate(chapters)
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f"<header><p class=over>{escape(subtitle)}</p><h1>{escape(title)}{_badge(mark)}</h1>"
        f"<p class=because>{escape(because)}</p></header>\n"
        f"<nav><ul>{contents}</ul></nav>\n<main>\n"
        + "".join(_chapter(place, chapter) for place, chapter in enumerate(chapters))
        + f"</main>\n<footer>{escape(foot)}</footer>\n</body>\n</html>\n"
    )


def _chapter(place: int, chapter: Chapter) -> str:
    content = "".join(
        _figure(part) if isinstance(part, Figure) else _table(part) for part in chapter.content
    )
    return (
        f'<section id="c{place}"><h2>{escape(chapter.title)}{_badge(chapter.mark)}</h2>'
        f"<p class=words>{_lines(chapter.words)}</p>{content}</section>\n"
    )


def _lines(words: str) -> str:
    return "<br>".join(escape(line) for line in words.splitlines())


def _figure(figure: Figure) -> str:
    data = base64.b64encode(figure.png).decode()
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return (
        f'<figure><img alt="{escape(figure.alt)}" src="data:image/png;base64,{data}">'
        f"{caption}</figure>"
    )


def _table(table: Table) -> str:
    right = [" class=n" if column in table.numbers else "" for column in table.columns]
    head = "".join(
        f"<th{kind}>{escape(name)}</th>" for kind, name in zip(right, table.columns, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{_cell(cell)}</td>" for kind, cell in zip(right, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    return (
        f"<div class=wide><table>{caption}<thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return _badge(text) if text in _MARKS else escape(text)


_MARKS = frozenset({"healthy", "warning", "failing", "unknown"})


def _badge(mark: str | None) -> str:
    return f'<span class="mark {mark}">{mark}</span>' if mark in _MARKS else ""
