"""A package whose lineage, image, signature or archive does not hold is never deployed."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.ml.artifact.manifest import Check, Manifest, sha256
from mlops_assets.objects import Objects, open_objects
from mlops_assets.resources.sagemaker.registry import provenance, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage, Untrusted
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.registry.test_signing import pair

pytestmark = pytest.mark.integration
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops-assets"


def sealed(files: dict[str, bytes]) -> tuple[bytes, str]:
    """A model.tar.gz with a manifest, and its artifact's digest."""
    manifest = Manifest(
        kind="regression",
        label="y",
        columns=(),
        width=0,
        files={name: sha256(data) for name, data in files.items()},
        training={},
        check=Check(0, 0.0),
    )
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, data in {**files, "manifest.json": manifest.to_bytes()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(tar.getvalue()), manifest.digest()


ARCHIVE, DIGEST = sealed({"model.onnx": b"trees"})
LINEAGE = {name: f"the {name}" for name in provenance.REQUIRED} | {"artifact_digest": DIGEST}


def registered(lab: Lab, group: str, **changes: Any) -> ModelPackage:
    uri = f"s3://lake/{group}/model.tar.gz"
    lab.objects().write(uri, ARCHIVE)
    fields: dict[str, Any] = {"lineage": LINEAGE, "metrics": {"auc": 0.7}, **changes}
    return registry.register(lab.sagemaker.client(), group=group, model_data_url=uri, **fields)


def verify(lab: Lab, package: ModelPackage, signer: Signing | None = None) -> None:
    registry.verify(lab.sagemaker.client(), lab.objects(), package, signer=signer)


def test_what_holds_passes(lab: Lab) -> None:
    verify(lab, registered(lab, "holds"))


@pytest.mark.parametrize("name", provenance.REQUIRED)
def test_each_thing_that_must_be_known_is_asked_for(lab: Lab, name: str) -> None:
    """Security demand 3: without data version, commit, job or digest nobody can tell what it is."""
    lineage = {key: value for key, value in LINEAGE.items() if key != name}
    package = registered(lab, f"lacks-{name.replace('_', '-')}", lineage=lineage)
    with pytest.raises(Untrusted, match=rf"lineage lacks {name}\. Materialize registered_model"):
        verify(lab, package)


def test_a_model_without_metrics_is_refused(lab: Lab) -> None:
    with pytest.raises(Untrusted, match="it has no metrics"):
        verify(lab, registered(lab, "no-metrics", metrics={}))


@pytest.mark.parametrize(
    ("image", "held"),
    [
        (f"{ECR}@sha256:{'ab' * 32}", True),
        (f"{ECR}:1.2@sha256:{'ab' * 32}", True),
        (f"{ECR}:latest", False),
        (f"{ECR}@sha256:ab", False),
        (ECR, False),
        ("mlops-assets:local", True),  # this machine's own code, in no registry
    ],
)
def test_an_image_in_aws_is_named_by_its_digest(lab: Lab, image: str, held: bool) -> None:
    """Security demand 4: a tag that is moved changes what serves without anybody deploying."""
    group = f"image-{sha256(image.encode())[:8]}"
    package = registered(lab, group, placement=Placement(image_uri=image))
    if held:
        verify(lab, package)
    else:
        with pytest.raises(Untrusted, match="is named by a tag"):
            verify(lab, package)


def other_archive() -> bytes:
    return sealed({"model.onnx": b"other trees"})[0]


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (ARCHIVE[:-20], "is corrupt"),
        (b"", "is corrupt"),
        (b"not an archive", "is corrupt"),
        (other_archive(), "holds artifact .*, registered was"),
        (None, "is gone"),
    ],
)
def test_an_archive_that_is_not_the_registered_one_is_refused(lab: Lab, now, message) -> None:
    """Row 24: torn, replaced by another sound model, or deleted."""
    group = f"archive-{sha256(now or b'gone')[:8]}"
    package = registered(lab, group)
    if now is None:
        (lab.root / "buckets" / "lake" / group / "model.tar.gz").unlink()
    else:
        lab.objects().write(package.model_data_url, now)
    with pytest.raises(Untrusted, match=message):
        verify(lab, package)


def test_a_file_changed_inside_the_archive_is_named(lab: Lab) -> None:
    """The manifest still says what was sealed, and the archive is sound: only the digest tells."""
    package = registered(lab, "inside")
    tar = io.BytesIO(gzip.decompress(ARCHIVE))
    changed = tar.getvalue().replace(b"trees", b"trEEs")
    lab.objects().write(package.model_data_url, gzip.compress(changed))
    with pytest.raises(Untrusted, match=r"model\.onnx is not the file that was sealed"):
        verify(lab, package)


def test_a_signed_package_passes_and_an_unsigned_or_foreign_one_does_not(lab, tmp_path) -> None:
    """Security demand 3. Without the key everything passes: that is the negative control."""
    private, public = pair(tmp_path)
    stranger, _ = pair(tmp_path, "stranger")
    signed = registered(lab, "signed", signer=Signing(signing_key=private))
    verify(lab, signed, Signing(verify_key=public))
    for group, signer, message in (
        ("unsigned", None, "is not signed"),
        ("foreign", Signing(signing_key=stranger), "does not hold"),
    ):
        package = registered(lab, group, signer=signer)
        with pytest.raises(Untrusted, match=message):
            verify(lab, package, Signing(verify_key=public))
        verify(lab, package)


@pytest.mark.parametrize(
    "changed",
    [
        {"metric.auc": "0.99"},
        {"commit": "0a1b2c3"},
        {"mlops:trained-by": "somebody else"},
        {"approved_for": "everything"},
    ],
)
def test_what_was_signed_cannot_be_changed_in_the_registry(lab, tmp_path, changed) -> None:
    """Whoever may update a package could otherwise make a bad model look good, or its own."""
    private, public = pair(tmp_path)
    group = f"changed-{sha256(json.dumps(changed).encode())[:8]}"
    package = registered(
        lab, group, signer=Signing(signing_key=private), trained_by="ada@example.com"
    )
    lab.sagemaker.client().update_model_package(
        ModelPackageArn=package.arn, CustomerMetadataProperties=changed
    )
    with pytest.raises(Untrusted, match="does not hold"):
        verify(lab, package, Signing(verify_key=public))


def test_approval_and_promotion_leave_the_signature_whole(lab, tmp_path) -> None:
    """States change all the time; a signature over them would make every deployment fail."""
    from mlops_assets.resources.sagemaker.registry import promotion

    private, public = pair(tmp_path)
    package = registered(lab, "moves-on", signer=Signing(signing_key=private))
    client = lab.sagemaker.client()
    promotion.approve(client, "moves-on", package.arn, by="Ada")
    promotion.mark_champion(client, "moves-on", package.arn)
    verify(lab, package, Signing(verify_key=public))


def test_registering_again_with_a_key_signs_what_was_not(lab, tmp_path) -> None:
    """Signing that is turned on later must not need every model to be trained again."""
    private, public = pair(tmp_path)
    first = registered(lab, "later", trained_by="ada@example.com")
    assert first.signature == ""
    again = registered(
        lab, "later", trained_by="bob@example.com", signer=Signing(signing_key=private)
    )
    assert (again.arn, again.trained_by) == (first.arn, "ada@example.com")
    verify(lab, again, Signing(verify_key=public))


def test_an_unsigned_package_that_was_changed_is_not_made_good_by_signing(lab, tmp_path) -> None:
    """Signed is what the caller registers, never what the registry says by then."""
    private, public = pair(tmp_path)
    first = registered(lab, "laundered")
    lab.sagemaker.client().update_model_package(
        ModelPackageArn=first.arn, CustomerMetadataProperties={"metric.auc": "0.99"}
    )
    again = registered(lab, "laundered", signer=Signing(signing_key=private))
    with pytest.raises(Untrusted, match="does not hold"):
        verify(lab, again, Signing(verify_key=public))


def test_an_archive_that_climbs_out_is_refused_and_writes_nothing(lab: Lab, tmp_path) -> None:
    """Verification itself unpacks what it does not trust yet."""
    package = registered(lab, "climbs")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        member = tarfile.TarInfo("../../climbed.txt")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    lab.objects().write(package.model_data_url, gzip.compress(tar.getvalue()))
    with pytest.raises(Untrusted, match="is corrupt"):
        verify(lab, package)


def test_an_archive_is_checked_before_it_is_registered(tmp_path: Path) -> None:
    """Row 21: a digest that nobody has compared is a claim."""
    objects: Objects = open_objects(f"dir:{tmp_path}")
    objects.write("s3://lake/model.tar.gz", ARCHIVE)
    provenance.check_archive(objects, "s3://lake/model.tar.gz", DIGEST)
    with pytest.raises(Untrusted, match="holds artifact"):
        provenance.check_archive(objects, "s3://lake/model.tar.gz", "0" * 64)
