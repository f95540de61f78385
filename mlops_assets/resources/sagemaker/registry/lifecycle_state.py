"""How a model package stands: its promotion state, read from what SageMaker's registry says.

Here: states, and their form as ModelLifeCycle. Not here: any request (promotion.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["candidate", "approved", "champion", "previous", "rejected", "rolled-back"]
_TERM = re.compile(r"term-(\d{1,9})")


def life_cycle(state: State, term: int, note: str) -> dict[str, str]:
    """``ModelLifeCycle`` of a state.

    Args:
        term: number of the group's reign in which the package was champion last; 0: never.

    >>> life_cycle("champion", 7, "canary held")
    {'Stage': 'champion', 'StageStatus': 'term-7', 'StageDescription': 'canary held'}
    """
    described = re.sub(r"\s+", " ", note).strip()[:1024]
    return {"Stage": state, "StageStatus": f"term-{term}", "StageDescription": described}


def state_of(approval: str, stage: str) -> State:
    """What approval and stage say together.

    Approval is a person's word and may be given in SageMaker Studio, which leaves the stage alone:
    it decides, save for the champion, which serves whatever is said of it.

    >>> state_of("Approved", "candidate"), state_of("Rejected", "previous")
    ('approved', 'rejected')
    """
    if stage == "champion":
        return "champion"
    if approval == "Approved":
        return "previous" if stage == "previous" else "approved"
    if approval == "Rejected":
        return "rolled-back" if stage == "rolled-back" else "rejected"
    return "candidate"


def term_of(stage: Mapping[str, str]) -> int:
    """The reign that a ``ModelLifeCycle`` names; 0 for none, and for another tool's status."""
    found = _TERM.fullmatch(stage.get("StageStatus", ""))
    return int(found[1]) if found else 0


@dataclass(frozen=True, order=True)
class Standing:
    """One version of a group; of two, the greater reigned later."""

    term: int
    version: int
    arn: str = field(compare=False)
    state: State = field(compare=False)

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Standing:
        """Of a package's summary or description."""
        stage = summary.get("ModelLifeCycle", {})
        return cls(
            term=term_of(stage),
            version=summary.get("ModelPackageVersion", 0),
            arn=summary["ModelPackageArn"],
            state=state_of(summary.get("ModelApprovalStatus", ""), stage.get("Stage", "")),
        )
