"""Loading: nothing but what was sealed is ever served."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_assets.ml.artifact import manifest as files
from mlops_assets.ml.artifact.errors import ArtifactError, EncodingError
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.manifest import Manifest
from mlops_assets_tests.ml.artifact import trained


def resign(directory: Path) -> None:
    """Make the manifest fit the files, as somebody who tampers knowingly would."""
    path = directory / "manifest.json"
    content = json.loads(path.read_bytes())
    found = files.listing(directory)
    content["files"] = {name: files.sha256(p.read_bytes()) for name, p in found.items()}
    path.write_text(json.dumps(content))


def test_an_untouched_artifact_loads_and_proves_itself(sealed: Path) -> None:
    """The control of every refusal below."""
    artifact = Artifact.load(sealed)
    artifact.check_golden()
    assert (
        artifact.digest() == Manifest.from_bytes((sealed / "manifest.json").read_bytes()).digest()
    )


@pytest.mark.parametrize("name", ["features.json", "golden.json", "model.onnx", "model.ubj"])
def test_one_flipped_bit_is_refused(sealed: Path, name: str) -> None:
    """Guards against a damaged or exchanged file being served."""
    data = bytearray((sealed / name).read_bytes())
    data[len(data) // 2] ^= 1
    (sealed / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=f"{name} is not the file that was sealed"):
        Artifact.load(sealed)


def test_a_missing_file_is_refused(sealed: Path) -> None:
    """Guards against half a download."""
    (sealed / "model.ubj").unlink()
    with pytest.raises(ArtifactError, match=r"lacks files of its manifest: \['model.ubj'\]"):
        Artifact.load(sealed)


@pytest.mark.parametrize("name", ["inference.py", "code/inference.py", ".hidden"])
def test_an_extra_file_is_refused(sealed: Path, name: str) -> None:
    """Guards against code slipped beside a sealed model."""
    (sealed / name).parent.mkdir(exist_ok=True)
    (sealed / name).write_text("x")
    with pytest.raises(ArtifactError, match="outside its manifest"):
        Artifact.load(sealed)


def test_a_link_is_refused(sealed: Path, tmp_path: Path) -> None:
    """Guards against a file whose content changes after the check."""
    (sealed / "model.ubj").rename(tmp_path / "elsewhere")
    (sealed / "model.ubj").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="not a plain file"):
        Artifact.load(sealed)


def test_a_pipe_is_refused(sealed: Path) -> None:
    """Guards against a read that never ends."""
    os.mkfifo(sealed / "pipe")
    with pytest.raises(ArtifactError, match="not a plain file"):
        Artifact.load(sealed)


def test_a_directory_that_was_never_sealed_is_refused(unsealed: Path) -> None:
    """Guards against serving what no check has seen."""
    with pytest.raises(ArtifactError, match="never sealed"):
        Artifact.load(unsealed)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"version": 1}', b'{"version": 9}', b"\xff"]
)
def test_a_manifest_that_is_none_is_refused(sealed: Path, content: bytes) -> None:
    """Guards against a traceback, or an empty list of files that everything fits."""
    (sealed / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        Artifact.load(sealed)


def test_golden_rows_catch_another_model(sealed: Path, tmp_path: Path) -> None:
    """A model that was exchanged together with its digest still has to answer the golden rows."""
    trained.train(tmp_path / "other", n_estimators=3)
    from mlops_assets.ml.artifact.seal import seal

    seal(tmp_path / "other", training={})
    (sealed / "model.onnx").write_bytes((tmp_path / "other" / "model.onnx").read_bytes())
    resign(sealed)
    with pytest.raises(ArtifactError, match="golden rows get another answer"):
        Artifact.load(sealed).check_golden()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.onnx", b"nonsense", "model.onnx does not load"),
        ("features.json", b"{}", "version None is not known"),
        ("golden.json", b"{", "golden.json is not what sealing writes"),
        (
            "golden.json",
            b'{"columns": [], "rows": [], "expected": [], "scale": 1}',
            "holds no rows",
        ),
    ],
)
def test_a_resigned_file_that_makes_no_sense_is_refused(
    sealed: Path, name: str, content: bytes, said: str
) -> None:
    """Guards against the digest being the only check."""
    (sealed / name).write_bytes(content)
    resign(sealed)
    with pytest.raises(ArtifactError, match=said):
        Artifact.load(sealed).check_golden()


def test_a_spec_of_another_width_is_refused(sealed: Path) -> None:
    """Guards against ONNX Runtime's own error at the first request."""
    content: dict[str, Any] = json.loads((sealed / "features.json").read_bytes())
    content["columns"].pop()
    (sealed / "features.json").write_text(json.dumps(content))
    resign(sealed)
    with pytest.raises(ArtifactError, match=r"takes 9 columns, features.json gives 8"):
        Artifact.load(sealed)


def test_no_rows_give_no_answers(sealed: Path) -> None:
    """Guards against an error for an empty partition."""
    assert Artifact.load(sealed).predict({name: [] for name in trained.FEATURES}).shape == (0,)


def test_a_wrong_row_is_an_encoding_error(sealed: Path) -> None:
    """Callers tell a wrong row (theirs) from a wrong artifact (ours) by the type."""
    columns: dict[str, list[Any]] = {name: [None] for name in trained.FEATURES}
    with pytest.raises(EncodingError, match="row 1, column 'wind'"):
        Artifact.load(sealed).predict({**columns, "wind": ["strong"]})


def test_rows_alone_and_together_get_one_answer(sealed: Path) -> None:
    """Guards against a batch path that differs from the single-row path."""
    artifact = Artifact.load(sealed)
    rows = trained.with_gaps(trained.frame(130, seed=5))
    together = artifact.predict(trained.columns_of(rows))
    alone = [artifact.predict(trained.columns_of(rows.iloc[[i]]))[0] for i in range(len(rows))]
    np.testing.assert_allclose(together, alone, atol=1e-6)
