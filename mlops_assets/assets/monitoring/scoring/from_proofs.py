"""Evidence that commands, CI and people leave: proofs, kept by name in the store.

Here: keeping a proof, and reading all of them. Not here: what a test report proves (`from_tests`),
what is proven of the graph itself (`from_checks`, `from_records`).
"""

import datetime as dt
from collections.abc import Iterator

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
            yield _piece(kept, current=is_of_now(proof, serving_arn))


def spoken_for(store: Store, pipeline: str) -> dict[str, Piece]:
    """{id of a line: what a person says was done by hand}."""
    return {
        kept.record.name.removeprefix(_BY_HAND): _piece(kept, current=True)
        for kept in _kept(store, pipeline)
        if kept.record.by_hand
    }


def _kept(store: Store, pipeline: str) -> list[Kept[ProofRecord]]:
    return list(histories(store, ProofRecord, pipeline, PROOFS).values())


def _piece(kept: Kept[ProofRecord], *, current: bool) -> Piece:
    proof = kept.record
    words = f"{proof.words} ({proof.by})" if proof.by else proof.words
    return Piece(proof.name, age_of(proof.at), proof.passed, words, kept.uri, current)


def is_of_now(proof: ProofRecord, serving_arn: str | None) -> bool:
    """Whether a proof is of the model that serves, or of the code that runs, as they are now."""
    if not proof.subject:
        return True
    if proof.subject.startswith("arn:"):
        return proof.subject == serving_arn
    return proof.subject == commit() and not proof.subject.endswith((_DIRTY, "unknown"))


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
