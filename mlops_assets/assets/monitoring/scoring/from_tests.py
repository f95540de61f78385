"""Evidence in a test report (JUnit's XML): which kinds of tests ran, of which commit, and when.

Here: reading one, and the one that `make test` leaves. Not here: keeping a report that came from
elsewhere (`from_proofs`), running tests.
"""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from mlops_assets.assets.commit import commit
from mlops_assets.assets.monitoring.scoring.evidence import Piece
from mlops_assets.assets.monitoring.scoring.from_proofs import is_of_now
from mlops_assets.assets.monitoring.scoring.from_records import age_of
from mlops_assets.assets.monitoring.scoring.records import ProofRecord

REPORT = Path("build/tests.xml")
"""Where `make test` leaves its report, seen from the project's root; a run of some tests leaves
none."""
_COMMIT = re.compile(r"[0-9a-f]{40}(-dirty)?")


def of_test_report(xml: bytes, *, pipeline: str, by: str) -> list[ProofRecord]:
    """The proofs in a test report: a kind of test counts where one ran and none of it failed.

    Which kind a test is, its name and its module's tell: ``<pipeline>`` and ``feature``,
    ``<pipeline>`` and ``train``, or ``loop``. What they are of is the commit in the suite's name
    (pytest's ``junit_suite_name``), or else the one that runs now; when, the suite's timestamp.

    Raises:
        ValueError: not JUnit's XML.
    """
    kinds = {
        "tests of features": (pipeline, "feature"),
        "tests of training": (pipeline, "train"),
        "tests of the loop": ("loop",),
    }
    try:
        # Expat itself refuses entities that grow without bound, and opens no other file.
        root = ElementTree.fromstring(xml)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f"this is no test report in JUnit's XML: {error}") from None
    suites, cases = list(root.iter("testsuite")), list(root.iter("testcase"))
    subject, at = _commit(suites), _at(suites)
    proofs = []
    for name, words in kinds.items():
        mine = [case for case in cases if all(word in _named(case) for word in words)]
        ran = [case for case in mine if case.find("skipped") is None]
        failed = [
            case
            for case in ran
            if case.find("failure") is not None or case.find("error") is not None
        ]
        if ran:
            said = f"{len(ran) - len(failed)} of {len(ran)} passed"
            said += f"; {failed[0].get('name')} failed" if failed else ""
            proofs.append(
                ProofRecord(name=name, at=at, by=by, passed=not failed, words=said, subject=subject)
            )
    return proofs


def left_by_make(pipeline: str) -> Iterator[Piece]:
    """What the report of the last whole `make test` shows; nothing where there is none."""
    try:
        proofs = of_test_report(REPORT.read_bytes(), pipeline=pipeline, by="make test")
    except (OSError, ValueError):
        # None yet, or one that is being written.
        return
    for proof in proofs:
        yield Piece(
            name=proof.name,
            at=age_of(proof.at),
            passed=proof.passed,
            words=f"{proof.words} ({proof.by})",
            link=REPORT.absolute().as_uri(),
            current=is_of_now(proof, None),
        )


def _commit(suites: Sequence[ElementTree.Element]) -> str:
    named = {suite.get("name", "") for suite in suites}
    if len(named) == 1 and _COMMIT.fullmatch(name := named.pop()):
        return name
    return commit()


def _at(suites: Sequence[ElementTree.Element]) -> str:
    """When the first suite started, with a zone; now, where none says it."""
    told = min((suite.get("timestamp", "") for suite in suites), default="")
    at = dt.datetime.fromisoformat(told) if told else dt.datetime.now(dt.UTC)
    # Without a zone it is the clock of whoever ran the tests: this machine's, for want of better.
    return at.astimezone(dt.UTC).isoformat(timespec="seconds")


def _named(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}.{case.get('name')}".lower()
