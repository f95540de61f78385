"""The 28 lines: given for evidence that is there, holds and is of now; for nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from mlops_assets.assets.monitoring.scoring.evidence import Evidence, Piece
from mlops_assets.assets.monitoring.scoring.rule import SECTIONS, score, sections
from mlops_assets.assets.monitoring.scoring.rules import IDS, RULES, scorecard

NOW = 1_800_000_000.0
DAY = 86_400.0
NEEDED = tuple(dict.fromkeys(name for rule in RULES for name in rule.needs))


def everything() -> Evidence:
    """Each piece that any line needs, shown an hour ago."""
    return Evidence(
        "flight_delays",
        NOW,
        {name: Piece(name, NOW - 3600, True, "held", f"/{name}") for name in NEEDED},
    )


def changed(name: str, **fields: object) -> Evidence:
    evidence = everything()
    piece = dataclasses.replace(evidence.pieces[name], **fields)
    return dataclasses.replace(evidence, pieces={**evidence.pieces, name: piece})


def test_there_are_seven_lines_in_each_of_four_sections():
    assert len(IDS) == len(set(IDS)) == 28
    for section in SECTIONS:
        mine = [rule for rule in RULES if rule.section == section]
        assert [rule.id for rule in mine] == [f"{section.lower()}-{n}" for n in range(1, 8)]
        assert all(rule.needs and rule.earn and rule.title for rule in mine)


def test_all_evidence_gives_seven_and_none_gives_nothing():
    full = scorecard(everything())
    assert full.score == 7.0
    assert set(full.sections.values()) == {7.0}
    empty = scorecard(Evidence("flight_delays", NOW, {}))
    assert empty.score == 0.0
    assert {line.state for line in empty.lines} == {"missing"}
    assert all(line.earn and line.age_s is None for line in empty.lines)


@pytest.mark.parametrize("name", NEEDED)
def test_removing_any_one_piece_of_evidence_lowers_the_score(name):
    """A point that stays when its evidence is gone was never given for it."""
    assert scorecard(everything().without(name)).score < 7.0


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"passed": False}, "failing"),
        ({"current": False}, "stale"),
        ({"known": False, "passed": False}, "missing"),
        ({"known": False}, "missing"),
        ({"at": NOW - 400 * DAY}, "stale"),
    ],
    ids=["fails", "of something older", "unknown", "unknown, yet passed", "long ago"],
)
def test_evidence_that_fails_or_is_stale_gives_no_point(name, fields, state):
    card = scorecard(changed(name, **fields))
    assert card.score < 7.0
    touched = [line for line, rule in zip(card.lines, RULES, strict=True) if name in rule.needs]
    assert {line.state for line in touched} == {state}
    assert sum(line.points for line in touched) == 0


def test_the_score_is_the_least_section_not_the_mean():
    card = scorecard(everything().without("reproduced"))
    assert card.sections == {"Data": 7, "Model": 7, "Infrastructure": 6, "Monitoring": 7}
    assert score(card.lines) == 6 == min(sections(card.lines).values())


def test_a_persons_word_is_half_a_point_where_nothing_automatic_says_otherwise():
    spoken = {"data-6": Piece("by hand data-6", NOW - DAY, True, "timed with a stopwatch")}
    lacking = dataclasses.replace(everything().without("lead time"), by_hand=spoken)
    line = next(line for line in scorecard(lacking).lines if line.id == "data-6")
    assert (line.state, line.points, line.words) == ("by hand", 0.5, "timed with a stopwatch")
    failing = dataclasses.replace(changed("lead time", passed=False), by_hand=spoken)
    line = next(line for line in scorecard(failing).lines if line.id == "data-6")
    assert (line.state, line.points) == ("failing", 0), "a word must not outweigh a failing check"
    old = {"data-6": dataclasses.replace(spoken["data-6"], at=NOW - 200 * DAY)}
    late = dataclasses.replace(lacking, by_hand=old)
    assert scorecard(late).sections["Data"] == 6


def test_a_line_says_where_its_evidence_is_and_how_old_the_oldest_of_it_is():
    card = scorecard(changed("raw/raw_schema", at=NOW - 3 * DAY))
    line = card.lines[0]
    assert line.link == "/raw/raw_schema"
    assert line.evidence == "raw/raw_schema, features/feature_schema"
    assert line.age_s == 3 * DAY


def test_what_would_earn_a_point_can_be_typed_as_it_stands():
    card = scorecard(Evidence("flight_delays", NOW, {}))
    line = next(line for line in card.lines if line.id == "infrastructure-2")
    assert "mlops scorecard flight_delays --tests" in line.earn
    assert not [line.id for line in card.lines if "{" in line.earn]
