"""Shadow variants get copies of requests, and nobody gets their answers."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.invoking.counted import metric
from mlops_assets_tests.sagemaker_local.load import Load

pytestmark = pytest.mark.integration


def shadowed(api: LocalApi, endpoint: str, faults: str = "", **shadow) -> None:
    """An endpoint whose shadow is called `shadow`, with metrics of its own."""
    api.model(f"{endpoint}-live", "live")
    api.model(f"{endpoint}-shade", f"shade {faults}")
    api.sm.create_endpoint_config(
        EndpointConfigName=endpoint,
        ProductionVariants=[api.variant(f"{endpoint}-live", "live")],
        ShadowProductionVariants=[api.variant(f"{endpoint}-shade", "shadow", **shadow)],
    )
    api.deploy(endpoint, endpoint)


@pytest.mark.parametrize(("weight", "share"), [(1.0, 1.0), (0.25, 0.25)])
def test_a_shadow_gets_its_share_of_copies_and_never_answers(api: LocalApi, weight, share):
    """A shadow's answer in a caller's hands is a deployment that nobody decided."""
    name = f"shadow-{weight:g}".replace(".", "-")
    shadowed(api, name, InitialVariantWeight=weight)
    with Load(api, name, rate=100) as load:
        time.sleep(2)
    assert (set(load.seen.answers), load.seen.errors) == ({"live"}, {})
    assert metric(api, name, "live", "Invocations") == load.seen.total
    copies = share * load.seen.total
    eventually(lambda: abs(metric(api, name, "shadow", "Invocations") - copies) <= 2)
    (shown,) = api.described(name)["ShadowProductionVariants"]
    assert (shown["VariantName"], shown["CurrentWeight"]) == ("shadow", weight)
    with pytest.raises(ClientError, match="not found"):
        api.invoke(name, TargetVariant="shadow")


def test_a_shadow_that_fails_or_hangs_hurts_nobody(api: LocalApi):
    """Its errors are measured; its slowness is bounded, dropped and counted."""
    shadowed(api, "hurt", "fail=2 lag=1")
    with Load(api, "hurt", rate=100) as load:
        time.sleep(2)
    assert (set(load.seen.answers), load.seen.errors) == ({"live"}, {})
    dropped = metric(api, "hurt", "shadow", "ShadowInvocationsDropped", "Local/SageMaker")
    assert dropped > 0
    total = load.seen.total
    eventually(lambda: metric(api, "hurt", "shadow", "Invocations") + dropped == total)
    assert metric(api, "hurt", "shadow", "Invocation5XXErrors") > 0
    assert metric(api, "hurt", "live", "Invocation5XXErrors") == 0


def test_two_production_variants_exclude_a_shadow(api: LocalApi):
    """As on the service: one of each."""
    api.model("pair", "pair")
    with pytest.raises(ClientError, match="one variant of each kind"):
        api.sm.create_endpoint_config(
            EndpointConfigName="pair-shadow",
            ProductionVariants=[api.variant("pair", "a"), api.variant("pair", "b")],
            ShadowProductionVariants=[api.variant("pair", "c")],
        )
