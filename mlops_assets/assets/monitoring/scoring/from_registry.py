"""Evidence from the model package that serves and from the commit that it was trained from.

Here: lineage, who approved, what git says. Not here: what the gates said (`from_records`).
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlops_assets.assets.monitoring.scoring.evidence import Piece
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.registry import promotion
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

_MAIN = ("main", "origin/main", "master", "origin/master")
_QUICK_DAYS = 7.0
_HEX = 40


def specification(pipeline: MLPipeline, package: ModelPackage) -> Iterator[Piece]:
    """Whether the commit is on the main branch, and a second person had a look."""
    commit, at = package.lineage.get("commit", "unknown"), package.created.timestamp()
    link = f"/assets/{pipeline.name}/registered_model"
    if len(commit) == _HEX:
        branch = next((b for b in _MAIN if _git("merge-base", "--is-ancestor", commit, b)[0]), None)
        where = f"is on {branch}" if branch else "is on no main branch that is known here"
        yield Piece("commit on main", at, branch is not None, f"commit {commit[:12]} {where}", link)
    elif commit.endswith("-dirty"):
        words = f"commit {commit[:12]} with changes that were not checked in"
        yield Piece("commit on main", at, False, words, link)
    if words := _second_person(pipeline, package, commit):
        yield Piece("second person", at, True, words, link)


def _second_person(pipeline: MLPipeline, package: ModelPackage, commit: str) -> str:
    said = package.decision
    if said.startswith("approved by ") and package.trained_by:
        who = said.removeprefix("approved by ").split(":")[0]
        if who != package.trained_by:
            return said
    script = str(pipeline.training.script)
    reviewed = "%(trailers:key=Reviewed-by,valueonly,separator=%x2C )"
    done, names = _git("log", "-1", f"--format={reviewed}", commit.split("-")[0], "--", script)
    return f"reviewed by {names}" if done and names else ""


def lead_time(pipeline: MLPipeline, client: Any, package: ModelPackage) -> Iterator[Piece]:
    """From the commit of what serves to the first model of that commit that served."""
    commit = package.lineage.get("commit", "unknown")
    done, told = _git("show", "-s", "--format=%ct", commit) if len(commit) == _HEX else (False, "")
    if not done or not told.isdecimal():
        return
    served = [
        found
        for state in ("champion", "previous", "rolled-back")
        for found in promotion.in_state(client, package.group, state)
        if found.lineage.get("commit") == commit
    ]
    first = min(served or [package], key=lambda found: found.created)
    days = (first.created.timestamp() - int(told)) / 86_400
    yield Piece(
        name="lead time",
        at=first.created.timestamp(),
        passed=days <= _QUICK_DAYS,
        words=f"{_span(days)} from commit {commit[:12]} to the first model of it that served "
        f"(bound {_QUICK_DAYS:g} days)",
        link=f"/assets/{pipeline.name}/registered_model",
    )


def _span(days: float) -> str:
    return f"{days:.1f} days" if days >= 1 else f"{days * 24:.1f} hours"


def _git(*arguments: str) -> tuple[bool, str]:
    """Whether git could say it, and what it said; (False, "") where there is no git."""
    git = shutil.which("git")
    if git is None:
        return False, ""
    told = subprocess.run(
        [git, *arguments],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.returncode == 0, told.stdout.strip()
