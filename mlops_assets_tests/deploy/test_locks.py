"""The locks: pinned by hash, naming no place, and in step with what they are made from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted([*ROOT.glob("*.lock"), *ROOT.glob("deploy/*.lock")])
PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^ ;\\]+)(?P<marker> ;[^\\]*)?")


def _pins(lock: str) -> dict[str, list[str]]:
    """name → versions (one for each range of Pythons), continuation lines joined."""
    pins: dict[str, list[str]] = {}
    for line in lock.replace("\\\n", " ").splitlines():
        if match := PIN.match(line):
            pins.setdefault(match["name"], []).append(match["version"])
    return pins


def _unpinned(lock: str) -> list[str]:
    lines = lock.replace("\\\n", " ").splitlines()
    return [
        line
        for line in lines
        if line.strip()
        and not line.lstrip().startswith("#")
        and not (PIN.match(line) and "--hash=sha256:" in line)
    ]


def _places(lock: str) -> list[str]:
    return re.findall(r"\S*(?:://|file:|--index|--extra-index|--find-links)\S*", lock)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_by_hash(path: Path) -> None:
    """A package that is replaced under its version number."""
    assert _unpinned(path.read_text()) == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_no_lock_names_a_place(path: Path) -> None:
    """A lock that only installs where it was made."""
    assert _places(path.read_text()) == []


def test_the_two_checks_above_look() -> None:
    """Negative control."""
    assert _unpinned("numpy==2.4.6\n") == ["numpy==2.4.6"]
    assert _unpinned("numpy>=2 --hash=sha256:00\n")
    assert _places("--index-url https://example.org/simple\nnumpy @ file:///tmp/numpy.whl\n")


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\s\[<>=;]", item)[0].lower().replace("_", "-") for item in requirements}


def test_locks_cover_what_is_declared() -> None:
    """A dependency added to pyproject.toml without `make lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = _pins((ROOT / "requirements.lock").read_text())
    tests = _pins((ROOT / "requirements-test.lock").read_text())
    assert _names(project["dependencies"]) <= set(runtime)
    extras = project["optional-dependencies"]
    assert _names([*extras["test"], *extras["deploy"]]) <= set(tests)
    # One environment holds both: the second install must not move what the first put there.
    assert {name: tests[name] for name in runtime} == runtime


def test_what_goes_with_torch_moves_nothing() -> None:
    """Installed after the others, in the same environment: other versions would replace theirs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    beside = _pins((ROOT / "deploy" / "requirements-torch.lock").read_text())
    assert _names(project["optional-dependencies"]["torch"]) - {"torch"} <= set(beside)
    for lock in ("requirements.lock", "requirements-test.lock"):
        pins = _pins((ROOT / lock).read_text())
        shared = set(beside) & set(pins)
        assert shared
        assert {name: beside[name] for name in shared} == {name: pins[name] for name in shared}
