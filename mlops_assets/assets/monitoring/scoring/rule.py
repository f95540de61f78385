"""How one line is judged, and how 28 of them become a score.

Source: Breck et al., "The ML Test Score: A Rubric for ML Production Readiness and Technical Debt
Reduction", IEEE Big Data 2017: half a point for what is done by hand and documented, one for what
is automatic, the least of the four sections counts. Here: that arithmetic. Not here: what each line
needs.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_assets.assets.monitoring.scoring.evidence import Evidence, Piece
from mlops_assets.assets.monitoring.scoring.records import LineState, ScoreLine, Section

SECTIONS: tuple[Section, ...] = ("Data", "Model", "Infrastructure", "Monitoring")
POINTS: dict[LineState, float] = {"automatic": 1.0, "by hand": 0.5}
QUARTER = dt.timedelta(days=92)
"""Age from which evidence counts no more, where a line declares no other."""
BY_HAND_FOR = dt.timedelta(days=183)


@dataclass(frozen=True)
class Rule:
    """One line of the score: what it asks for, and what shows it.

    Args:
        id: section and number, such as ``data-1``.
        title: the rubric's own demand.
        needs: names of the pieces, *all* of which must be there, hold, and be of now.
        earn: what would earn the point, for those who lack it; ``{pipeline}`` is its name.
        fresh_for: evidence older than this is stale.
    """

    id: str
    section: Section
    title: str
    needs: tuple[str, ...]
    earn: str
    fresh_for: dt.timedelta = QUARTER

    def __call__(self, evidence: Evidence) -> ScoreLine:
        """The line, as the evidence stands."""
        found = [evidence.pieces[name] for name in self.needs if name in evidence.pieces]
        missing = [name for name in self.needs if name not in evidence.pieces]
        unknown = [piece for piece in found if not piece.known]
        failing = [piece for piece in found if piece.known and not piece.passed]
        stale = [piece for piece in found if self._stale(piece, evidence.now)]
        if failing:
            return self._line("failing", failing, evidence, _words(failing))
        if not (missing or unknown or stale):
            return self._line("automatic", found, evidence, _words(found))
        spoken = evidence.by_hand.get(self.id)
        if spoken is not None and evidence.now - spoken.at <= BY_HAND_FOR.total_seconds():
            return self._line("by hand", [spoken], evidence, spoken.words)
        if unknown:
            return self._line("missing", found, evidence, _words(unknown))
        if missing:
            return self._line("missing", found, evidence, f"not there yet: {', '.join(missing)}")
        return self._line("stale", stale, evidence, self._why_stale(stale))

    def _stale(self, piece: Piece, now: float) -> bool:
        return not piece.current or now - piece.at > self.fresh_for.total_seconds()

    def _why_stale(self, stale: Sequence[Piece]) -> str:
        return "; ".join(
            f"{piece.name} is older than {self.fresh_for.days} days"
            if piece.current
            else f"{piece.name} is older than what it was shown of"
            for piece in stale
        )

    def _line(
        self, state: LineState, pieces: Sequence[Piece], evidence: Evidence, words: str
    ) -> ScoreLine:
        return ScoreLine(
            id=self.id,
            section=self.section,
            title=self.title,
            state=state,
            points=POINTS.get(state, 0.0),
            evidence=", ".join(piece.name for piece in pieces),
            link=next((piece.link for piece in pieces if piece.link), None),
            age_s=max((max(evidence.now - piece.at, 0.0) for piece in pieces), default=None),
            words=words,
            earn=self.earn.replace("{pipeline}", evidence.pipeline),
        )


def _words(pieces: Sequence[Piece]) -> str:
    if len(pieces) == 1:
        return pieces[0].words
    return "; ".join(f"{piece.name}: {piece.words}" for piece in pieces)


def sections(lines: Sequence[ScoreLine]) -> dict[Section, float]:
    """The sum of each section's points, 0 to 7."""
    return {
        section: sum(line.points for line in lines if line.section == section)
        for section in SECTIONS
    }


def score(lines: Sequence[ScoreLine]) -> float:
    """The ML Test Score, 0 to 7: the least of the four sections' sums."""
    return min(sections(lines).values())
