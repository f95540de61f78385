"""What a test report proves: which kinds of tests, of which commit, and when."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.assets.commit import GIVEN, UNKNOWN, commit
from mlops_assets.assets.monitoring.scoring import from_tests
from mlops_assets.pipelines.flight_delays import pipeline

NAME = pipeline.name
OTHER = "0" * 40
WHOLE = """<testsuites><testsuite %s>
<testcase classname="tests.pipelines.flight_delays.test_flights_features" name="test_mean"/>
<testcase classname="tests.pipelines.flight_delays.test_flights_train" name="test_loss_falls">%s
</testcase>
<testcase classname="tests.pipelines.other.test_train" name="test_breaks"><failure/></testcase>
<testcase classname="tests.assets.test_loop" name="test_whole"><skipped/></testcase>
</testsuite></testsuites>"""


def report(suite: str = "", inner: str = "") -> bytes:
    return (WHOLE % (suite, inner)).encode()


def proofs(xml: bytes) -> dict:
    return {p.name: p for p in from_tests.of_test_report(xml, pipeline=NAME, by="ci")}


def test_a_report_proves_the_kinds_of_tests_that_ran_for_this_pipeline():
    """Skipped tests prove nothing, and another pipeline's failure is not this one's."""
    found = proofs(report())
    assert set(found) == {"tests of features", "tests of training"}
    assert found["tests of training"].passed
    assert found["tests of training"].subject == commit()
    assert not proofs(report(inner="<failure/>"))["tests of training"].passed


def test_a_report_is_of_the_commit_and_the_time_that_it_says():
    """Kept a week later, or beside other code, a report must not become one of here and now."""
    suite = f'name="{OTHER}" timestamp="2026-11-20T10:00:00+01:00"'
    found = proofs(report(suite))["tests of features"]
    assert (found.subject, found.at) == (OTHER, "2026-11-20T09:00:00+00:00")


def test_something_else_than_a_test_report_is_refused_in_words():
    with pytest.raises(ValueError, match="no test report in JUnit's XML"):
        proofs(b"%PDF")


def left(directory: Path, xml: bytes) -> None:
    place = directory / from_tests.REPORT
    place.parent.mkdir()
    place.write_bytes(xml)


def test_what_make_test_left_counts_while_its_commit_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert list(from_tests.left_by_make(NAME)) == []
    monkeypatch.setattr(from_tests, "commit", lambda: "f" * 40)
    now = dt.datetime.now(dt.UTC).isoformat()
    left(tmp_path, report(f'name="{OTHER}" timestamp="{now}"'))
    assert {piece.current for piece in from_tests.left_by_make(NAME)} == {False}
    mine = report(f'name="{commit()}" timestamp="{now}"')
    (tmp_path / from_tests.REPORT).write_bytes(mine)
    found = {piece.name: piece for piece in from_tests.left_by_make(NAME)}
    # With changes that nobody checked in, a report is of no commit at all.
    clean = not commit().endswith(("-dirty", UNKNOWN))
    assert {piece.current for piece in found.values()} == {clean}
    assert found["tests of features"].words == "1 of 1 passed (make test)"


def test_a_report_that_is_being_written_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left(tmp_path, report()[:100])
    assert list(from_tests.left_by_make(NAME)) == []


@pytest.mark.integration
def test_pytest_writes_the_commit_and_its_workers_lose_nothing(tmp_path):
    """The report is what `make test` has it: by several processes, under the commit's name."""
    module = tmp_path / "test_flight_delays_features.py"
    module.write_text("def test_one():\n    pass\n\ndef test_two():\n    pass\n")
    target = tmp_path / "build" / "tests.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider",
         f"--junitxml={target}", "-o", f"junit_suite_name={OTHER}", str(module)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found = proofs(target.read_bytes())["tests of features"]
    assert (found.subject, found.words) == (OTHER, "2 of 2 passed")
    assert abs(dt.datetime.fromisoformat(found.at) - dt.datetime.now(dt.UTC)) < dt.timedelta(
        hours=1
    )


def test_without_git_an_image_says_its_own_commit(monkeypatch):
    """In an image every model would be of commit "unknown", and could be traced to no code."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv(GIVEN, OTHER)
    assert commit() == OTHER
    monkeypatch.delenv(GIVEN)
    assert commit() == UNKNOWN
