"""Evidence from the model package that serves and from the commit that it was trained from.

Here: lineage, who approved, what git says. Not here: what the gates said (`from_records`).
"""

import re
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
_ARN = "arn:"


def specification(pipeline: MLPipeline, package: ModelPackage) -> Iterator[Piece]:
    """Whether the commit is on the main branch, and a second person had a look."""
    commit, at = package.lineage.get("commit", "unknown"), package.created.timestamp()
    link = f"/assets/{pipeline.name}/registered_model"
    if len(commit) == _HEX:
        branches = [name for name in _MAIN if _git("rev-parse", "--verify", "--quiet", name)[0]]
        mine = [b for b in branches if _git("merge-base", "--is-ancestor", commit, b)[0]]
        if not branches:
            # An image, or a copy without git: nobody can say.
            where = "may be on the main branch: there is no git here that knows one"
        else:
            where = f"is on {mine[0]}" if mine else f"is not on {' nor '.join(branches)}"
        yield Piece(
            "commit on main",
            at,
            bool(mine),
            f"commit {commit[:12]} {where}",
            link,
            known=bool(branches),
        )
    elif commit.endswith("-dirty"):
        words = f"commit {commit[:12]} with changes that were not checked in"
        yield Piece("commit on main", at, False, words, link)
    if words := _second_person(pipeline, package, commit):
        yield Piece("second person", at, True, words, link)


def _second_person(pipeline: MLPipeline, package: ModelPackage, commit: str) -> str:
    """Who else had a look: by AWS's word for both, or by git's for author and reviewers.

    The names that this machine gives are notes: anybody can say to be anybody.
    """
    said = package.decision
    if said.startswith(f"approved by {_ARN}") and package.trained_by.startswith(_ARN):
        # What follows a name, a colon or a bracket, may be in one: an ARN has colons.
        who = re.escape(package.trained_by)
        if not re.match(rf"approved by {who}( \(|:|$)", said):
            return said
    if pipeline.training.script is None:  # an algorithm of AWS's: nobody here wrote it
        return ""
    script = str(pipeline.training.script)
    reviewed = "%ae%n%(trailers:key=Reviewed-by,valueonly)"
    done, told = _git("log", "-1", f"--format={reviewed}", commit.split("-")[0], "--", script)
    author, *names = told.splitlines() or [""]
    others = [name for name in names if name and author.lower() not in name.lower()]
    return f"reviewed by {', '.join(others)}" if done and others else ""


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
