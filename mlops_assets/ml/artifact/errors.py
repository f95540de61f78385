"""The errors of the model artifact, shared by its modules. No logic belongs here."""

from __future__ import annotations


class ArtifactError(ValueError):
    """The artifact, or what it was made from, is not what it claims to be."""


class EncodingError(ArtifactError):
    """A value that the feature spec does not allow.

    `row` counts from 0 and is None when the whole column is at fault. `reason` is written to be
    shown to whoever sent the row: it holds their own value, never the vocabulary.
    """

    def __init__(self, column: str, row: int | None, reason: str) -> None:
        place = f"column {column!r}" if row is None else f"row {row + 1}, column {column!r}"
        super().__init__(f"{place}: {reason}")
        self.column = column
        self.row = row
        self.reason = reason
