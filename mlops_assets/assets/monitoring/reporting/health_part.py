"""One part of a pipeline's health: what is known, and what would make known what is not.

Here: the type, and how parts become one status. Not here: any part (`health_data`,
`health_quality`, `health_serving`, `health_actions`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_assets.assets.monitoring.records import Line, Status
from mlops_assets.ml.report.html import Chapter, Figure, Link, Table

# The worst first: unknown is never healthy, and what is known to be bad is said before it.
_WORST: tuple[Status, ...] = ("failing", "warning", "unknown", "healthy")


@dataclass(frozen=True)
class Part:
    """What the page says of one thing.

    Args:
        name: as its chapter is called.
        status: None where it only informs.
        figure: its state in a few words, and ``bound``: what it is held to.
        words: what there is to say above the pictures.
    """

    name: str
    status: Status | None
    figure: str
    words: str
    bound: str = ""
    content: tuple[Figure | Table, ...] = ()

    @property
    def line(self) -> Line:
        return Line(
            name=self.name, figure=self.figure, bound=self.bound, status=self.status or "healthy"
        )

    def chapter(self, *, see: tuple[str, ...] = (), links: tuple[Link, ...] = ()) -> Chapter:
        """Its chapter of the report, with where to go on."""
        words = self.words
        # A name, such as log_loss, keeps its own spelling.
        if words.partition(" ")[0].isalpha():
            words = words[0].upper() + words[1:]
        return Chapter(self.name, words, self.status, self.content, see, links)


def absent(name: str, earn: str, *, counts: bool = True) -> Part:
    """A part that nothing is known of yet, with what would change that."""
    return Part(name, "unknown" if counts else None, "not there yet", f"Not there yet: {earn}")


def overall(parts: Sequence[Part]) -> tuple[Status, str]:
    """The worst status of all parts that have one, and the sentence that says because of what."""
    found = {status: [p for p in parts if p.status == status] for status in _WORST}
    worst: Status = next((status for status in _WORST if found[status]), "unknown")
    if worst == "healthy":
        return worst, f"Healthy: {', '.join(p.name.lower() for p in found['healthy'])}."
    reasons = [
        f"{status}: " + "; ".join(f"{p.name.lower()} ({p.figure})" for p in found[status])
        for status in _WORST
        if status != "healthy" and found[status]
    ]
    said = ". ".join(reason[0].upper() + reason[1:] for reason in reasons)
    return worst, f"{said}." if said else "Unknown: nothing is watched."
