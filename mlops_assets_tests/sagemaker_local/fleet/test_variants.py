"""Several variants: weights, instance counts, and changes of both in place."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.load import Load

pytestmark = pytest.mark.integration


def two(api: LocalApi, endpoint: str, *weights: float, **more) -> None:
    """An endpoint of the variants `red` and `blue`."""
    for name in ("red", "blue"):
        if not api.sm.list_models(NameContains=name)["Models"]:
            api.model(name, name)
    variants = [
        api.variant(name, name, InitialVariantWeight=weight)
        for name, weight in zip(("red", "blue"), weights, strict=True)
    ]
    name = (
        f"{endpoint}-{len(api.sm.list_endpoint_configs(NameContains=endpoint)['EndpointConfigs'])}"
    )
    api.sm.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    if api.sm.list_endpoints(NameContains=endpoint)["Endpoints"]:
        api.update(endpoint, name, **more)
        api.settled(endpoint)
    else:
        api.deploy(endpoint, name)


def shown(api: LocalApi, endpoint: str) -> dict[str, tuple[float, int]]:
    return {
        variant["VariantName"]: (variant["CurrentWeight"], variant["CurrentInstanceCount"])
        for variant in api.described(endpoint)["ProductionVariants"]
    }


def scale(api: LocalApi, endpoint: str, **wanted: dict) -> dict:
    changes = [{"VariantName": name} | values for name, values in wanted.items()]
    api.sm.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=changes
    )
    return api.settled(endpoint)


def test_variants_share_requests_by_weight_and_can_be_named(api: LocalApi):
    """A 3:1 split that is not one makes an A/B test meaningless."""
    two(api, "mixed", 3.0, 1.0)
    answers = [api.invoke("mixed") for _ in range(40)]
    assert (answers.count("red:1"), answers.count("blue:1")) == (30, 10)
    assert api.invoke("mixed", TargetVariant="blue") == "blue:1"
    with pytest.raises(ClientError, match="Variant green not found"):
        api.invoke("mixed", TargetVariant="green")


def test_the_invoked_variant_is_named_in_the_reply(api: LocalApi):
    """Who ends an A/B test must know which side answered."""
    two(api, "which", 1.0, 1.0)
    for _ in range(4):
        reply = api.runtime.invoke_endpoint(EndpointName="which", Body=b"1")
        assert reply["Body"].read().decode() == f"{reply['InvokedProductionVariant']}:1"


def test_weights_and_counts_change_in_place_without_a_lost_request(api: LocalApi):
    """Scaling in at noon must be as little seen as a deployment."""
    two(api, "scaled", 1.0, 1.0)
    with Load(api, "scaled", rate=150, threads=8) as load:
        scale(api, "scaled", red={"DesiredInstanceCount": 3, "DesiredWeight": 0.0})
        assert shown(api, "scaled") == {"red": (0.0, 3), "blue": (1.0, 1)}
        only_blue = [api.invoke("scaled") for _ in range(10)]
        found = scale(api, "scaled", red={"DesiredInstanceCount": 1, "DesiredWeight": 1.0})
        assert shown(api, "scaled") == {"red": (1.0, 1), "blue": (1.0, 1)}
    assert set(only_blue) == {"blue:1"}
    assert load.seen.errors == {}
    assert found["EndpointStatus"] == "InService"


def test_a_change_of_counts_that_fails_changes_nothing(api: LocalApi):
    """An endpoint must not be left half scaled: neither weights nor instances."""
    two(api, "half", 1.0, 1.0)
    images = api.home / "images.json"
    before = images.read_text()
    images.write_text('{"plain": {"serve": ["false"]}}')
    found = scale(api, "half", red={"DesiredInstanceCount": 2, "DesiredWeight": 9.0})
    images.write_text(before)
    assert found["EndpointStatus"] == "InService"
    assert "did not pass the ping health check" in found["FailureReason"]
    assert shown(api, "half") == {"red": (1.0, 1), "blue": (1.0, 1)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"green": {"DesiredWeight": 1.0}}, "Variant green not found"),
        ({"red": {"DesiredInstanceCount": 9}}, "more than the 4"),
        ({"red": {"DesiredInstanceCount": 0}}, "at least 1"),
        (
            {"red": {"DesiredWeight": 0.0}, "blue": {"DesiredWeight": 0.0}},
            "must be more than 0",
        ),
    ],
)
def test_a_wrong_change_of_weights_is_refused(api: LocalApi, changes, words):
    """An endpoint without weight or instances answers nobody."""
    if not api.sm.list_endpoints(NameContains="unchanged")["Endpoints"]:
        two(api, "unchanged", 1.0, 1.0)
    with pytest.raises(ClientError, match=words):
        scale(api, "unchanged", **changes)
    assert api.described("unchanged")["EndpointStatus"] == "InService"


def test_an_update_keeps_or_resets_what_was_scaled(api: LocalApi):
    """An update that forgets the autoscaled count takes an endpoint down at its busiest."""
    two(api, "retained", 1.0, 1.0)
    scale(api, "retained", red={"DesiredInstanceCount": 2, "DesiredWeight": 5.0})
    two(api, "retained", 1.0, 1.0, RetainAllVariantProperties=True)
    assert shown(api, "retained") == {"red": (5.0, 2), "blue": (1.0, 1)}
    excluded = [{"VariantPropertyType": "DesiredWeight"}]
    two(
        api,
        "retained",
        2.0,
        1.0,
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=excluded,
    )
    assert shown(api, "retained") == {"red": (2.0, 2), "blue": (1.0, 1)}
    two(api, "retained", 1.0, 1.0)
    assert shown(api, "retained") == {"red": (1.0, 1), "blue": (1.0, 1)}


def test_a_scaled_endpoint_is_the_same_after_a_restart(new_api):
    """Counts that a restart resets would undo an autoscaler's work."""
    api = new_api()
    two(api, "durable", 1.0, 3.0)
    scale(api, "durable", red={"DesiredInstanceCount": 2, "DesiredWeight": 0.0})
    api.end(kill=True)
    api.start()
    assert api.invoke("durable") == "blue:1"
    api.settled("durable")
    assert shown(api, "durable") == {"red": (0.0, 2), "blue": (3.0, 1)}
