"""Model packages: one for each lineage, whatever is repeated, raced or decided meanwhile."""

import threading
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.resources.sagemaker.registry import metadata, registry
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage, RegistryError
from mlops_assets_tests.resources.sagemaker.botocore_shapes import accepted
from mlops_assets_tests.resources.sagemaker.conftest import Lab

LINEAGE = {
    "features": "snapshot 7312345678901234567",
    "code": "git:0a1b2c3",
    "hyperparameters": '{"max_depth": 6, "eta": [0.1, 0.2]}',
    "job": "arn:aws:sagemaker:us-east-1:000000000000:training-job/flight-delays-model-abc",
}
METRICS = {"auc": 0.7312345678901234, "log_loss": 0.41}


MODEL = "s3://lake/registry/model.tar.gz"


@pytest.fixture(autouse=True)
def _model(request: pytest.FixtureRequest) -> None:
    if "lab" in request.fixturenames:
        request.getfixturevalue("lab").objects().write_if_absent(MODEL, b"an artifact")


def register(client: Any, group: str, **changes: Any) -> ModelPackage:
    fields = {
        "model_data_url": MODEL,
        "lineage": LINEAGE,
        "metrics": METRICS,
        "metrics_uri": "s3://lake/evaluation/abc.json",
        "description": "flight_delays 2013-04-01",
        **changes,
    }
    return registry.register(client, group=group, **fields)


def versions(client: Any, group: str) -> list[str]:
    found = client.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    return [version["ModelPackageArn"] for version in found]


@settings(deadline=None)  # the first example loads SageMaker's service model
@given(st.text(max_size=60))
def test_any_text_survives_the_registry_s_alphabet(text: str) -> None:
    escaped = metadata.escape(text)
    assert metadata.unescape(escaped) == text
    if 1 <= len(escaped) <= 256:
        properties = {"CustomerMetadataProperties": {"lineage": escaped}}
        accepted("CreateModelPackage", {"ModelPackageGroupName": "g", **properties})


@pytest.mark.integration
def test_a_package_carries_its_lineage_and_metrics_back(lab: Lab) -> None:
    package = register(lab.sagemaker.client(), "carries")
    assert package.lineage == LINEAGE
    assert package.metrics == METRICS
    assert (package.version, package.status) == (1, "PendingManualApproval")
    assert package.image == "mlops-assets:local"


@pytest.mark.integration
def test_the_reason_stays_with_the_package_and_makes_no_second_version(lab: Lab) -> None:
    """A rerun for another reason must not register the same model again; nor may a long reason,
    with whatever characters, be refused."""
    client = lab.sagemaker.client()
    reason = "drift: 40 % of the model's importance lies on drifted columns in 2013-07 " * 5
    first = register(client, "because", reason=reason)
    assert first.reason.startswith("drift: 40 % of the model's importance lies on drifted")
    assert "mlops:reason" not in first.lineage
    again = register(client, "because", reason="a person")
    assert (again.arn, again.reason) == (first.arn, first.reason)
    assert register(client, "no-reason").reason == ""


@pytest.mark.integration
def test_registering_again_changes_nothing_not_even_a_decision(lab: Lab) -> None:
    """Guards against a rerun that duplicates a version, or undoes a person's rejection."""
    client = lab.sagemaker.client()
    first = register(client, "again")
    registry.set_approval(client, first.arn, "Rejected", "label leaked")
    second = register(client, "again", status="Approved")
    assert (second.arn, second.status) == (first.arn, "Rejected")
    assert versions(client, "again") == [first.arn]
    other = register(client, "again", lineage={**LINEAGE, "code": "git:other"})
    assert other.version == 2


@pytest.mark.integration
def test_a_lost_answer_makes_no_second_version(lab: Lab) -> None:
    """Row 23: the package was created, the process never learned it."""
    client = lab.fresh().client()
    lost: list[str] = []

    def lose(**_: Any) -> None:
        if not lost:
            lost.append("the answer")
            raise ReadTimeoutError(endpoint_url="http://sagemaker")

    client.meta.events.register("after-call.sagemaker.CreateModelPackage", lose)
    package = register(client, "lost")
    assert lost
    assert versions(client, "lost") == [package.arn]


@pytest.mark.integration
def test_two_runs_that_register_the_same_model_share_a_version(lab: Lab) -> None:
    """Both look before either has created: only SageMaker's ClientToken can tell."""
    together = threading.Barrier(2)
    arns: list[str] = []

    def run() -> None:
        client = lab.fresh().client()

        def wait(**_: Any) -> None:
            together.wait(timeout=60)

        client.meta.events.register("before-call.sagemaker.CreateModelPackage", wait)
        arns.append(register(client, "raced").arn)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(arns) == 2
    assert set(arns) == set(versions(lab.sagemaker.client(), "raced"))
    assert len(set(arns)) == 1


@pytest.mark.integration
def test_the_latest_is_the_newest_in_the_wanted_state(lab: Lab) -> None:
    client = lab.sagemaker.client()
    assert registry.latest(client, "no-such-group") is None
    packages = [
        register(client, "latest", lineage={**LINEAGE, "code": f"git:{n}"}) for n in range(3)
    ]
    assert registry.latest(client, "latest") is None
    registry.set_approval(client, packages[0].arn, "Approved", "by hand")
    registry.set_approval(client, packages[1].arn, "Approved", "by hand")
    approved = registry.latest(client, "latest")
    assert approved is not None
    assert approved.version == 2
    newest = registry.latest(client, "latest", status=None)
    assert newest is not None
    assert newest.version == 3


def test_what_does_not_fit_is_refused_and_never_cut() -> None:
    with pytest.raises(RegistryError, match="'notes' has 300 characters"):
        metadata.properties({"notes": "x" * 300}, {})
    with pytest.raises(RegistryError, match="60 entries"):
        metadata.properties({f"key{n}": "v" for n in range(60)}, {})
    with pytest.raises(RegistryError, match="'empty' has 0 characters"):
        metadata.properties({"empty": ""}, {})


@pytest.mark.integration
def test_a_package_that_is_not_there_is_named(lab: Lab) -> None:
    arn = "arn:aws:sagemaker:us-east-1:000000000000:model-package/nowhere/1"
    with pytest.raises(RegistryError, match="nowhere/1"):
        registry.describe(lab.sagemaker.client(), arn)
