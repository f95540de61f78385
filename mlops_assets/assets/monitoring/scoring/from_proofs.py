"""Evidence that commands, CI and people leave: proofs, kept by name in the store.

Here: keeping a proof, reading all of them, and a test report (JUnit's XML) as proofs. Not here:
what is proven of the graph itself (`from_checks`, `from_records`).
"""

import datetime as dt
from collections.abc import Iterator
from xml.etree import ElementTree

from mlops_assets.assets.commit import commit
from mlops_assets.assets.monitoring.reporting.histories import Kept, histories
from mlops_assets.assets.monitoring.scoring.evidence import Piece
from mlops_assets.assets.monitoring.scoring.from_records import age_of
from mlops_assets.assets.monitoring.scoring.records import ProofRecord
from mlops_assets.resources.records import Store

PROOFS = "proofs"
_BY_HAND = "by hand "
_DIRTY = "-dirty"


def keep(store: Store, pipeline: str, proof: ProofRecord) -> str:
    """Keep a proof, instead of an earlier one of the same name; returns its URI."""
    return store.save(pipeline, PROOFS, proof.name.replace(" ", "-"), proof)


def proof_of(name: str, *, by: str, passed: bool, words: str, subject: str = "") -> ProofRecord:
    """What a command has just shown, of a model package (its ARN) or of a commit."""
    return ProofRecord(name=name, at=_now(), by=by, passed=passed, words=words, subject=subject)


def by_hand(line: str, *, by: str, words: str) -> ProofRecord:
    """A person's word for one line, half a point for half a year."""
    return ProofRecord(
        name=f"{_BY_HAND}{line}", at=_now(), by=by, passed=True, words=words, by_hand=True
    )


def proven(store: Store, pipeline: str, serving_arn: str | None) -> Iterator[Piece]:
    """What commands and CI have shown, each as long as it is of what serves or runs now."""
    for kept in _kept(store, pipeline):
        proof = kept.record
        if not proof.by_hand:
            yield _piece(kept, current=_of_now(proof, serving_arn))


def spoken_for(store: Store, pipeline: str) -> dict[str, Piece]:
    """{id of a line: what a person says was done by hand}."""
    return {
        kept.record.name.removeprefix(_BY_HAND): _piece(kept, current=True)
        for kept in _kept(store, pipeline)
        if kept.record.by_hand
    }


def of_test_report(xml: bytes, *, pipeline: str, by: str) -> list[ProofRecord]:
    """The proofs in a test report: a kind of test counts where one ran and none of it failed.

    Which kind a test is, its name and its module's tell: ``<pipeline>`` and ``feature``,
    ``<pipeline>`` and ``train``, or ``loop``.

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
        cases = list(ElementTree.fromstring(xml).iter("testcase"))  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f"this is no test report in JUnit's XML: {error}") from None
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
            proofs.append(proof_of(name, by=by, passed=not failed, words=said, subject=commit()))
    return proofs


def _named(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}.{case.get('name')}".lower()


def _kept(store: Store, pipeline: str) -> list[Kept[ProofRecord]]:
    return list(histories(store, ProofRecord, pipeline, PROOFS).values())


def _piece(kept: Kept[ProofRecord], *, current: bool) -> Piece:
    proof = kept.record
    words = f"{proof.words} ({proof.by})" if proof.by else proof.words
    return Piece(proof.name, age_of(proof.at), proof.passed, words, kept.uri, current)


def _of_now(proof: ProofRecord, serving_arn: str | None) -> bool:
    if not proof.subject:
        return True
    if proof.subject.startswith("arn:"):
        return proof.subject == serving_arn
    return proof.subject == commit() and not proof.subject.endswith((_DIRTY, "unknown"))


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
