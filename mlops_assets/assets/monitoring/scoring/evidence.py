"""What a score is given for: pieces of evidence, collected once, and nothing else.

Here: the frozen types. Not here: where the pieces come from (`collect`, `pieces`), which line needs
which (`data`, `model`, `infrastructure`, `watching`).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """One thing that was shown, when, and where it can be seen.

    Args:
        name: as people know it: ``features/feature_schema`` for a check, else a few words.
        at: seconds since the epoch when it was shown.
        passed: whether it showed what it should.
        words: what it found.
        link: the asset's page in the UI (a path that begins with ``/``), or a record's URI.
        current: False where what it was shown of has been made anew since.
        known: False where it could not be told (too few rows, no baseline), which is no evidence.
    """

    name: str
    at: float
    passed: bool
    words: str
    link: str = ""
    current: bool = True
    known: bool = True


@dataclass(frozen=True)
class Evidence:
    """All pieces of a pipeline by their names, as of ``now`` (seconds since the epoch).

    ``by_hand``: {id of a line: a person's word, with where it is written}.
    """

    pipeline: str
    now: float
    pieces: Mapping[str, Piece]
    by_hand: Mapping[str, Piece] = dataclasses.field(default_factory=dict)

    def without(self, name: str) -> "Evidence":
        """The same without one piece."""
        return dataclasses.replace(
            self, pieces={key: piece for key, piece in self.pieces.items() if key != name}
        )
