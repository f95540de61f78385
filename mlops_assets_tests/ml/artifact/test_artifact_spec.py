"""features.json: what is accepted, and that a refusal names the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.spec import FeatureSpec

_finite = st.floats(allow_nan=False, allow_infinity=False)
_number = st.fixed_dictionaries(
    {"type": st.just("number"), "missing": st.sampled_from(["nan", "error"]) | _finite},
    optional={"mean": _finite, "scale": _finite.filter(bool)},
)
_words = st.lists(st.text(min_size=1), min_size=1, unique=True)


def _category(encoding: str, policies: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    policy = st.sampled_from(policies)
    fields = {"vocabulary": _words, "missing": policy, "unknown": policy}
    constants = {"type": st.just("category"), "encoding": st.just(encoding)}
    return st.fixed_dictionaries({**constants, **fields})


columns = st.one_of(
    _number,
    _category("one_hot", ["nan", "zero", "own", "error"]),
    _category("ordinal", ["nan", "own", "error"]),
)


def spec(*entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A features.json with columns named c0, c1, … unless they have names."""
    named = [{"name": f"c{index}", **entry} for index, entry in enumerate(entries)]
    return {"version": 1, "kind": "binary", "label": "y", "columns": named, **changes}


@given(st.lists(columns, min_size=1, max_size=5))
def test_a_spec_survives_its_own_json(entries: list[dict[str, Any]]) -> None:
    """Guards against a field that is read but not written: a re-sealed model would lose it."""
    first = FeatureSpec.from_json(spec(*entries))
    assert FeatureSpec.from_json(json.dumps(first.to_json())) == first
    assert len(first.encoded_names) == first.width


NUMBER = {"type": "number"}
WORDS = {"type": "category", "vocabulary": ["a", "b"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ([], "must be an object"),
        (spec(NUMBER, version=2), "version 2 is not known"),
        (spec(), "at least one column"),
        (spec(NUMBER, kind="ranking"), "kind is 'ranking'"),
        (spec(NUMBER, label=""), "label must be a name"),
        (spec(NUMBER, label="c0"), "label 'c0' is among the columns"),
        (spec(NUMBER, extra=1), r"unknown fields \['extra'\]"),
        (spec({"name": "x", **NUMBER}, {"name": "x", **NUMBER}), r"more than once: \['x'\]"),
        (spec({}), "type is None"),
        (spec({**NUMBER, "means": 1}), r"columns\[0\] \(c0\): unknown fields \['means'\]"),
        (spec({**NUMBER, "missing": "zero"}), "missing .* not 'zero'"),
        (spec({**NUMBER, "missing": True}), "missing .* not True"),
        (spec({**NUMBER, "mean": float("inf")}), "mean must be a finite number"),
        (spec({**NUMBER, "scale": 0}), "scale is 0"),
        (spec({**WORDS, "vocabulary": ["a", "a"]}), "each once"),
        (spec({**WORDS, "vocabulary": [""]}), "none of them empty"),
        (spec({**WORDS, "vocabulary": [1]}), "a list of texts"),
        (spec({**WORDS, "encoding": "target"}), "encoding is 'target'"),
        (spec({**WORDS, "encoding": "ordinal", "missing": "zero"}), "missing is 'zero'"),
        (spec(NUMBER, kind="multiclass"), "must name its classes"),
        (spec(NUMBER, kind="binary", classes=["a", "b", "c"]), "3 classes do not fit"),
        (spec(NUMBER, kind="regression", classes=["a", "b"]), "2 classes do not fit"),
        (spec(NUMBER, kind="multiclass", classes=["a", "a"]), "different texts"),
    ],
)
def test_a_wrong_spec_is_refused_by_name(content: Any, said: str) -> None:
    """Guards against a typo in features.json that silently changes what the model is fed."""
    with pytest.raises(ArtifactError, match=said):
        FeatureSpec.from_json(json.dumps(content) if isinstance(content, list) else content)
