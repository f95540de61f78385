"""The report's page: everything escaped, nothing loaded, numbers aligned."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from html.parser import HTMLParser

import pytest

from mlops_assets.ml.report.html import Chapter, Figure, Link, Table, page

EVIL = "\"><script>alert(1)</script>&'"


class Tags(HTMLParser):
    """The tags of a page; that they are closed in their order."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def made(**changes) -> str:
    given = {
        "title": "t", "subtitle": "s", "mark": "healthy", "because": "b", "chapters": [],
        "foot": "f",
    }  # fmt: skip
    return page(**{**given, **changes})


def whole() -> str:
    table = Table((EVIL, "n"), ((EVIL, "1"), ("healthy", "2")), numbers={"n"}, caption=EVIL)
    chapter = Chapter(EVIL, f"{EVIL}\nsecond", "failing", (Figure(b"\x89PNG", EVIL, EVIL), table))
    return made(title=EVIL, subtitle=EVIL, because=EVIL, foot=EVIL, chapters=[chapter])


def test_no_text_becomes_markup_wherever_it_stands():
    parsed = Tags()
    parsed.feed(whole())
    assert parsed.open == []
    assert "script" not in parsed.seen
    assert parsed.seen.count("img") == 1


def test_the_policy_allows_the_pages_own_style_and_no_other():
    """A digest that does not match leaves the page naked in every browser."""
    text = whole()
    policy = unescape(text.split('http-equiv="Content-Security-Policy" content="')[1].split('"')[0])
    style = text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert 'style="' not in text


def test_marks_are_shown_as_marks_and_numbers_are_aligned():
    text = whole()
    assert '<span class="mark healthy">healthy</span>' in text
    assert "<td class=n>1</td>" in text
    assert '<span class="mark failing">failing</span>' in text


def test_every_anchor_leads_to_a_section_of_the_page():
    """A link into a page that was made before a chapter was renamed would lead nowhere."""
    chapters = [
        Chapter("Quality", "words", see=("Drift", "of another page")),
        Chapter("Drift", "words", see=("Quality",)),
        Chapter("ML Test Score", "words"),
    ]
    text = made(chapters=chapters)
    ids = re.findall(r'<(?:section|header) id="([^"]+)"', text)
    led = re.findall(r'href="#([^"]+)"', text)
    assert ids == ["top", "quality", "drift", "ml-test-score"]
    assert set(led) == set(ids)
    assert "of another page" not in text
    assert "http" not in text.replace("http-equiv", ""), "nothing leads out of it"


def test_links_lead_out_escaped_and_only_to_pages():
    """What a setting holds must not become script, nor end the attribute that it stands in."""
    ways = (Link("drift", 'https://ui.example/assets/a"b?x=1&y=2'),)
    text = made(chapters=[Chapter("Drift", "words", links=ways)])
    assert 'href="https://ui.example/assets/a&quot;b?x=1&amp;y=2"' in text
    parsed = Tags()
    parsed.feed(text)
    assert parsed.open == []
    with pytest.raises(ValueError, match="no address of a page"):
        made(chapters=[Chapter("Drift", "", links=(Link("x", "javascript:alert(1)"),))])


def test_two_chapters_of_one_anchor_are_refused():
    with pytest.raises(ValueError, match="no anchors of their own"):
        made(chapters=[Chapter("Cost", ""), Chapter("cost!", "")])
    with pytest.raises(ValueError, match="no anchors of their own"):
        made(chapters=[Chapter("Top", "")])
