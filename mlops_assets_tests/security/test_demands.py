"""docs/security.md: every demand has its tests, and they are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "security.md").read_text()
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.M)
ROWS = {int(number): re.findall(r"`([^`]+)`", tests) for number, _, _, tests in ROW.findall(PAGE)}


def missing(named: str) -> str | None:
    """Why a test that a page names is none; None if it is there."""
    file, _, test = named.partition("::")
    path = TESTS / file
    if not path.is_file() or not path.name.startswith("test_"):
        return f"{file} is no module of tests"
    functions = {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    if test and test not in functions:
        return f"{file} has no {test}"
    return None


def test_every_demand_has_a_row_with_tests() -> None:
    """A demand that nobody tests is a wish."""
    assert sorted(ROWS) == list(range(1, 18))
    assert all(ROWS.values())


@pytest.mark.parametrize("number", sorted(ROWS))
def test_the_tests_that_are_named_exist(number: int) -> None:
    """A test that was renamed or deleted, and the page still points to it."""
    assert [reason for named in ROWS[number] if (reason := missing(named))] == []


def test_a_test_that_is_gone_is_noticed() -> None:
    """Negative control."""
    here = "security/test_demands.py"
    assert missing(f"{here}::test_a_test_that_is_gone_is_noticed") is None
    assert missing(f"{here}::test_nothing") == f"{here} has no test_nothing"
    assert missing("security/test_gone.py") == "security/test_gone.py is no module of tests"
