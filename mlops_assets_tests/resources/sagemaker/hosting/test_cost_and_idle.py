"""What predictions cost, which fleet is cheapest, and when an endpoint counts as idle."""

import datetime as dt
import json

import botocore.session
import pytest

from mlops_assets.resources.sagemaker.hosting import cost, idle
from mlops_assets.resources.sagemaker.rollout.rollout import roll_out
from mlops_assets.serving import Endpoint
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.rollout.rollout_lab import package, rows, spec

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def ago(seconds: float) -> dt.datetime:
    return NOW - dt.timedelta(seconds=seconds)


def test_every_price_is_of_an_instance_type_that_sagemaker_hosts_on() -> None:
    """Guards against a price that nobody will ever look up because of a misspelling."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    assert set(cost.prices().instances) <= set(
        model.shape_for("ProductionVariantInstanceType").enum
    )
    assert all(p.usd > 0 and p.vcpus > 0 for p in cost.prices().instances.values())
    assert cost.prices().as_of
    assert "aws" in cost.prices().source


def test_the_cheapest_fleet_that_holds_the_rate_comes_first() -> None:
    found = cost.fleets(("ml.m5.large", "ml.c5.large", "ml.c5.xlarge"), 500.0, 1000.0)
    assert [(f.instance_type, f.count) for f in found] == [
        ("ml.c5.large", 3), ("ml.m5.large", 3), ("ml.c5.xlarge", 2),
    ]  # fmt: skip
    assert all(f.holds_per_second >= 1000 for f in found)
    assert found[0].usd_per_thousand == pytest.approx(1000 * 3 * 0.102 / 3600 / 1000)


def test_a_type_without_a_price_is_named_with_the_remedy() -> None:
    with pytest.raises(KeyError, match=r"ml\.x9\.large is known: add it"):
        cost.fleets(("ml.x9.large",), 500.0, 1000.0)
    assert cost.per_thousand("ml.x9.large", 1, 1.0) is None


@pytest.mark.parametrize(
    ("last", "changed", "expected"),
    [
        (None, ago(3600), True),
        (None, ago(100), False),  # just deployed: nobody could have asked yet
        (ago(3600), ago(7200), True),
        (ago(100), ago(7200), False),
        (ago(640), ago(7200), False),  # a minute with an invocation may have had it at its end
        (ago(3600), ago(10), False),
    ],
)
def test_idle_means_neither_asked_nor_changed(
    last: dt.datetime | None, changed: dt.datetime, expected: bool
) -> None:
    found = idle.judge("e", last=last, changed=changed, now=NOW, idle_after_s=600)
    assert found.idle is expected


@pytest.mark.integration
def test_an_endpoint_is_found_idle_stopped_and_brought_back(lab: Lab) -> None:
    client, cloudwatch = lab.sagemaker.client(), lab.sagemaker.cloudwatch()
    assert idle.look(client, cloudwatch, "quiet", 600) is None
    wanted = spec("quiet", package(lab, "quiet", "quiet-1"), Endpoint())
    roll_out(lab.sagemaker, wanted, rows(4), poll_s=0.2)
    lab.sagemaker.runtime().invoke_endpoint(
        EndpointName="quiet",
        ContentType="application/json",
        Body=json.dumps({"instances": [{"x": 1.0}]}),
    )
    found = idle.look(client, cloudwatch, "quiet", 600)
    assert found is not None
    assert not found.idle
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=900)
    found = idle.look(client, cloudwatch, "quiet", 600, now=later)
    assert found is not None
    assert found.idle
    idle.stop(client, "quiet")
    back = roll_out(lab.sagemaker, wanted, rows(4), poll_s=0.2)
    assert [change.action for change in back.plan.changes] == ["CreateEndpoint"]
