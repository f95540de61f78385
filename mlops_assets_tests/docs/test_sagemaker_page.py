"""docs/sagemaker.md names the operations that the local SageMaker API executes, and no others."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sagemaker.md").read_text()
SERVER = ROOT / "mlops_assets" / "sagemaker_local"
# Answered at paths of their own, not by the table of operations.
BY_PATH = {"InvokeEndpoint", "InvokeEndpointAsync"}


def executed() -> set[str]:
    """The operations in the tables of the server's parts: ``"CreateModel": self.create``."""
    return {
        name
        for file in SERVER.rglob("*.py")
        for name in re.findall(r'"([A-Z][A-Za-z0-9]+)":\s+(?:self\.|lambda )', file.read_text())
    }


def named() -> set[str]:
    """The operations in the first column of the page's table."""
    table = PAGE.split("## Operations")[1].split("##")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([A-Z][A-Za-z0-9]+)`", cell)}


def test_what_the_page_names_is_executed():
    """A promise that NotImplemented answers."""
    assert named() - executed() - BY_PATH == set()


def test_what_can_be_made_stands_on_the_page():
    """What nobody reads of is not used: everything that is created or put, at least."""
    made = {name for name in executed() if re.match(r"(Create|Put|Stop)[A-Z]", name)}
    assert {"CreateTrainingJob", "PutRecord"} <= made
    assert made - named() == set()
