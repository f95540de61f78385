"""docs/tutorial.md, followed literally: each block is run, in order, in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("mlops_assets", "docs", "dagster.yaml", "workspace.yaml", "pyproject.toml")


def blocks() -> list[str]:
    """The shell blocks of the tutorial, in order."""
    return re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs/tutorial.md").read_text(), re.M | re.S)


@pytest.fixture
def checkout(tmp_path):
    """What a clone holds, with ``.venv`` where `make` puts it; stopped at the end."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    yield tmp_path
    run(tmp_path, ".venv/bin/mlops down")


def run(checkout: Path, script: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "DAGSTER_"))}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=checkout,
        # The copy, not the checkout that the environment was installed from.
        env={**kept, "PYTHONPATH": str(checkout), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.integration
@pytest.mark.slow
def test_every_block_does_what_the_page_says(checkout):
    """A tutorial that nobody runs is wrong within weeks."""
    said = []
    for block in blocks():
        done = run(checkout, block)
        too_many_bad_rows = "{9900..9919}" in block
        assert done.returncode == (1 if too_many_bad_rows else 0), block + done.stdout + done.stderr
        said.append(done.stdout + done.stderr)
    story = "\n".join(said)
    for promised in (
        "Validation successful",
        "Held-out quality",
        "what came true",
        "569 clean, 1 in quarantine",
        "splits … endpoint: up to date",
        "quarantine_share",
        "569 clean, 0 in quarantine",
    ):
        assert promised in story, f"the tutorial promises {promised!r}\n{story}"
