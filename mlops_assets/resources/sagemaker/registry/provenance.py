"""Whether a model package may be trusted: its lineage, its signature, its archive.

Here: what must hold before anything of it is deployed. Not here: keys (signing.py), approval
(endpoints.py), how an archive is unpacked or a manifest checked (`ml.artifact`).
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.manifest import verify as verify_manifest
from mlops_assets.ml.artifact.unpack import unpack
from mlops_assets.objects import ObjectNotFound, Objects
from mlops_assets.resources.sagemaker.registry.metadata import RegistryError
from mlops_assets.resources.sagemaker.registry.signing import Signing, SigningError

if TYPE_CHECKING:
    from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

# What must be known of every model that serves: its data, its code, its training, its bytes.
REQUIRED = (
    "pipeline",
    "as_of",
    "dataset_uri",
    "dataset_digest",
    "features_snapshot",
    "code_version",
    "commit",
    "job_arn",
    "artifact_digest",
)
_ECR = re.compile(r"\d{12}\.dkr\.ecr[.-]")
_BY_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


class Untrusted(RegistryError):
    """A package may not be deployed; the message names what does not hold."""


def statement(
    *,
    group: str,
    model_data_url: str,
    image: str,
    lineage: Mapping[str, str],
    metrics: Mapping[str, float],
    trained_by: str,
) -> bytes:
    """What a signature says of a package: all that was registered, as canonical JSON.

    The lineage has the artifact's digest, which has the SHA-256 of every file in it.
    """
    content = {
        "group": group,
        "model_data_url": model_data_url,
        "image": image,
        "lineage": dict(lineage),
        "metrics": {name: float(value) for name, value in metrics.items()},
        "trained_by": trained_by,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def verify(objects: Objects, package: ModelPackage, signer: Signing | None) -> None:
    """Pass only where lineage, image, signature and archive hold.

    Raises:
        Untrusted: naming the package, what does not hold, and the remedy.
    """
    missing = [name for name in REQUIRED if not package.lineage.get(name)]
    if missing:
        raise _untrusted(
            package,
            f"its lineage lacks {', '.join(missing)}",
            "Materialize registered_model again",
        )
    if not package.metrics:
        raise _untrusted(
            package, "it has no metrics", "Materialize evaluation, then registered_model"
        )
    if _ECR.match(package.image) and not _BY_DIGEST.fullmatch(package.image):
        raise _untrusted(
            package,
            f"its image {package.image} is named by a tag, which can be moved",
            "Set MLOPS_IMAGE_URI to <repository>@sha256:<digest> and register the model again",
        )
    try:
        (signer or Signing()).check(signed_statement(package), package.signature)
    except SigningError as error:
        raise _untrusted(package, str(error), "") from None
    try:
        check_archive(objects, package.model_data_url, package.lineage["artifact_digest"])
    except Untrusted as error:
        raise _untrusted(
            package, str(error), "Restore the archive, or train and register the model again"
        ) from None


def signed_statement(package: ModelPackage) -> bytes:
    """The statement that a package's signature must be of."""
    return statement(
        group=package.group,
        model_data_url=package.model_data_url,
        image=package.image,
        lineage=package.lineage,
        metrics=package.metrics,
        trained_by=package.trained_by,
    )


def check_archive(objects: Objects, model_data_url: str, artifact_digest: str) -> None:
    """Pass only where the archive holds this very artifact, each file as it was sealed.

    Raises:
        Untrusted: it is gone, corrupt, or another.
    """
    with tempfile.TemporaryDirectory(prefix="mlops-verify-") as scratch:
        archive, directory = Path(scratch) / "model.tar.gz", Path(scratch) / "model"
        try:
            objects.download(model_data_url, archive)
        except ObjectNotFound:
            raise Untrusted(f"its archive {model_data_url} is gone") from None
        try:
            unpack(archive, directory)
            digest = verify_manifest(directory).digest()
        except ArtifactError as error:
            raise Untrusted(f"its archive {model_data_url} is corrupt: {error}") from None
    if digest != artifact_digest:
        raise Untrusted(
            f"its archive {model_data_url} holds artifact {digest[:12]}, registered was "
            f"{artifact_digest[:12]}"
        )


def _untrusted(package: ModelPackage, what: str, remedy: str) -> Untrusted:
    return Untrusted(
        f"model package {package.arn} is not deployed: {what}." + (f" {remedy}." if remedy else "")
    )
