"""A report of chapters with figures and tables, as one self-contained HTML page.

Belongs here: structure and escaping. Does not belong here: how it looks (`style`), what it says.
Everything that a caller gives is text and is escaped; a picture is PNG bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from mlops_assets.ml.report.style import CSS

TOP = "top"
_OTHERS = re.compile(r"[^a-z0-9]+")

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
class Link:
    """Words that lead elsewhere."""

    words: str
    url: str


@dataclass(frozen=True)
class Chapter:
    """A heading with its mark, what there is to say, and what shows it.

    Args:
        see: titles of other chapters to go on with; those that the page lacks are left out.
        links: to pages outside of the report, which may be gone when it is read.
    """

    title: str
    words: str
    mark: Mark | None = None
    content: tuple[Figure | Table, ...] = field(default=())
    see: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


def page(
    *, title: str, subtitle: str, mark: Mark, because: str, chapters: Sequence[Chapter], foot: str
) -> str:
    """The whole report. A chapter's anchor is its title: ``#ml-test-score``.

    Raises ValueError for two chapters of one anchor, and for a link that is not of http or https.

    >>> made = page(title="a<b", subtitle="", mark="healthy", because="", chapters=[], foot="")
    >>> "a&lt;b" in made, "a<b" in made
    (True, False)
    """
    # The one style is allowed by its digest: nothing that a text could smuggle in runs or loads.
    digest = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'"
    anchors = {chapter.title: anchor(chapter.title) for chapter in chapters}
    if len({TOP, *anchors.values()}) <= len(chapters):
        raise ValueError(f"chapters {list(anchors)} have no anchors of their own: rename some")
    contents = "".join(
        f'<li><a href="#{anchors[chapter.title]}">{escape(chapter.title)}</a>'
        f"{_badge(chapter.mark)}</li>"
        for chapter in chapters
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f'<header id="{TOP}"><p class=over>{escape(subtitle)}</p>'
        f"<h1>{escape(title)}{_badge(mark)}</h1>"
        f"<p class=because>{escape(because)}</p></header>\n"
        f"<nav><ul>{contents}</ul></nav>\n<main>\n"
        + "".join(_chapter(chapter, anchors) for chapter in chapters)
        + f"</main>\n<footer>{escape(foot)}</footer>\n</body>\n</html>\n"
    )


def anchor(title: str) -> str:
    """What a chapter is found by within the page and from outside.

    >>> anchor("ML Test Score")
    'ml-test-score'
    """
    return _OTHERS.sub("-", title.lower()).strip("-") or "chapter"


def _chapter(chapter: Chapter, anchors: Mapping[str, str]) -> str:
    content = "".join(
        _figure(part) if isinstance(part, Figure) else _table(part) for part in chapter.content
    )
    here = anchors[chapter.title]
    return (
        f'<section id="{here}"><h2><a href="#{here}">{escape(chapter.title)}</a>'
        f"{_badge(chapter.mark)}</h2>"
        f"<p class=words>{_lines(chapter.words)}</p>{content}{_ways(chapter, anchors)}</section>\n"
    )


def _ways(chapter: Chapter, anchors: Mapping[str, str]) -> str:
    """Where a reader goes from here: other chapters, pages outside, the top."""
    see = [f'<a href="#{anchors[title]}">{escape(title)}</a>' for title in chapter.see
           if title in anchors]  # fmt: skip
    out = [_out(link) for link in chapter.links]
    parts = [
        *([f"See also {', '.join(see)}"] if see else []),
        *([f"In the UI: {', '.join(out)}"] if out else []),
        f'<a href="#{TOP}">Top</a>',
    ]
    return f"<p class=ways>{' · '.join(parts)}</p>"


def _out(link: Link) -> str:
    if not link.url.startswith(("https://", "http://")):
        raise ValueError(f"{link.url!r} is no address of a page: give one of http or https")
    return f'<a href="{escape(link.url)}" rel="noreferrer">{escape(link.words)}</a>'


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
