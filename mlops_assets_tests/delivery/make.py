"""What make would do, asked as at a fresh prompt."""

from __future__ import annotations

import os
import subprocess

from mlops_assets_tests.delivery.scripts import ROOT


def prompt(**variables: str) -> dict[str, str]:
    """An environment without what a make around these tests was told.

    What its command line sets it hands down: `make ci STAGES=unit` would otherwise be what
    `make ci` is in here.
    """
    kept = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    return kept | variables


def making(*arguments: str) -> str:
    """The commands that make would run."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", *arguments],
        cwd=ROOT, env=prompt(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.replace("\\\n", " ")
