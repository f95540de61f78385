"""Rollouts on the local SageMaker API: a bad challenger never stays, the champion always does."""

import json
from typing import Any

import pytest

from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.rollout.rollout import (
    HeldOut,
    Outcome,
    RolloutFailed,
    alarms,
    roll_out,
)
from mlops_assets.rollouts import ABTest, AllAtOnce, Bounds, Canary, Linear, Rolling, Shadow
from mlops_assets.serving import Autoscaling, Endpoint
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.resources.sagemaker.rollout.rollout_lab import BAD, package, rows, spec

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BOUNDS = Bounds(p99_ms=800, slowdown=1000, disagreement=0.2)
CANARY = Endpoint(rollout=Canary(share=0.5, bake_s=3), bounds=BOUNDS)


def deploy(
    lab: Lab,
    name: str,
    arn: str,
    declared: Endpoint = CANARY,
    held: HeldOut | None = None,
    **how: Any,
) -> Outcome:
    return roll_out(lab.sagemaker, spec(name, arn, declared), held or rows(), poll_s=0.2, **how)


def champion(lab: Lab, name: str) -> str:
    arn = package(lab, name, f"{name}-champion")
    assert deploy(lab, name, arn).verdict.passed
    return arn


def statuses(outcome: Outcome) -> dict[str, str]:
    return {line.name: line.status for line in outcome.verdict.lines}


def alarm_names(lab: Lab, name: str) -> list[str]:
    found = lab.sagemaker.cloudwatch().describe_alarms(AlarmNamePrefix=f"mlops-{name}-")
    return [alarm["AlarmName"] for alarm in found["MetricAlarms"]]


@pytest.mark.parametrize("behaviour", BAD)
def test_a_bad_challenger_is_rolled_back_while_it_bakes(lab: Lab, behaviour: str) -> None:
    """Guards against InService on the old configuration passing for a success (row 22): nobody but
    our probes calls, and each kind of badness is seen and said."""
    name = f"bad-{behaviour}"
    first = champion(lab, name)
    with pytest.raises(RolloutFailed) as caught:
        deploy(lab, name, package(lab, name, f"{name}-challenger", behaviour))
    assert serving_package(lab.sagemaker.client(), name) == first
    outcome = caught.value.outcome
    assert statuses(outcome)["health"] == "failed"
    assert caught.value.serving == outcome.previous_config
    said = {"slow": "latency", "error": "server-errors", "schema": "client-errors"}
    if behaviour == "nan":
        assert "answers" in str(caught.value)
        assert "NaN" in outcome.verdict.failures()
    elif behaviour != "ill":
        # Wrong answers to probes may trip first: either alarm is right, with CloudWatch's reason.
        assert said[behaviour] in str(caught.value) or "answers" in str(caught.value)
        assert "Threshold Crossed" in str(caught.value)
    # The champion's own stay; alarms of a configuration that is gone must not pile up.
    left = alarm_names(lab, name)
    assert left
    assert [each for each in left if not each.startswith(f"mlops-{outcome.previous_config}-")] == []


def test_a_good_challenger_is_promoted_and_a_second_run_changes_nothing(lab: Lab) -> None:
    champion(lab, "good")
    arn = package(lab, "good", "good-2", answer=0.6)
    told: list[str] = []
    outcome = deploy(lab, "good", arn, held=rows(rmse=0.2), on_step=told.append)
    assert serving_package(lab.sagemaker.client(), "good") == arn
    assert statuses(outcome) == {
        "health": "passed", "errors": "passed", "latency": "passed", "agreement": "passed",
        "quality": "passed", "late labels": "unknown",
    }  # fmt: skip
    assert any("canary: 50 %" in line for line in told), "the plan is shown"
    assert any("Baking" in line for line in told), "the stages are told while they last"
    assert told.index(next(t for t in told if "canary" in t)) < told.index(
        next(t for t in told if t.startswith("UpdateEndpoint"))
    )
    names = alarm_names(lab, "good")
    config = outcome.plan.changes[-1].config_name
    assert sorted(names) == sorted(alarms.alarm_name(config, kind) for kind in alarms.KINDS)
    again = deploy(lab, "good", arn)
    assert (again.plan.changed, again.verdict.passed) == (False, True)
    assert sorted(alarm_names(lab, "good")) == sorted(names)


def test_what_is_sent_is_what_the_plan_said(lab: Lab) -> None:
    """Guards against a plan that is shown and another one that is carried out."""
    champion(lab, "planned")
    mine = lab.fresh()
    sent: list[tuple[str, dict[str, Any]]] = []
    changing = ("CreateModel", "CreateEndpointConfig", "UpdateEndpoint", "PutMetricAlarm")
    for client in (mine.client(), mine.cloudwatch()):
        client.meta.events.register(
            "provide-client-params.*.*",
            lambda params, model, **_: sent.append((model.name, dict(params))),
        )
    arn = package(lab, "planned", "planned-2")
    outcome = roll_out(mine, spec("planned", arn, CANARY), rows(), poll_s=0.2)
    (change,) = outcome.plan.changes
    planned = sorted(
        (operation, json.dumps(dict(request))) for operation, request in change.calls()
    )
    done = [(operation, json.dumps(params)) for operation, params in sent if operation in changing]
    assert sorted(done) == planned
    order = [operation for operation, _ in done]
    assert order.index("PutMetricAlarm") < order.index("UpdateEndpoint"), "watched from the start"


def test_a_challenger_that_answers_worse_than_evaluated_is_taken_back(lab: Lab) -> None:
    """Guards against a promise that serving does not keep: healthy, fast, and wrong."""
    first = champion(lab, "worse")
    arn = package(lab, "worse", "worse-2", answer=0.65)
    with pytest.raises(RolloutFailed, match=r"serves .* again: quality: rmse") as caught:
        deploy(lab, "worse", arn, held=rows(rmse=0.101))
    assert statuses(caught.value.outcome)["quality"] == "failed"
    assert serving_package(lab.sagemaker.client(), "worse") == first


def test_a_challenger_that_disagrees_too_much_is_taken_back(lab: Lab) -> None:
    first = champion(lab, "apart")
    with pytest.raises(RolloutFailed, match=r"agreement: 0\.4"):
        deploy(lab, "apart", package(lab, "apart", "apart-2", answer=0.9))
    assert serving_package(lab.sagemaker.client(), "apart") == first


def test_without_the_verdict_the_wrong_model_would_stay(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the two above."""
    from mlops_assets.resources.sagemaker.rollout import rollout_verdict

    champion(lab, "unjudged")
    arn = package(lab, "unjudged", "unjudged-2", answer=0.9)
    monkeypatch.setattr(rollout_verdict.Verdict, "passed", True)
    assert deploy(lab, "unjudged", arn).plan.changed
    assert serving_package(lab.sagemaker.client(), "unjudged") == arn


@pytest.mark.parametrize(
    "rollout",
    [
        AllAtOnce(bake_s=1),
        Linear(share=0.5, bake_s=1),
        Rolling(share=0.5, bake_s=1),
        Shadow(share=1.0, bake_s=1),
    ],
    ids=lambda policy: type(policy).__name__,
)
def test_each_policy_promotes_the_good_and_refuses_what_breaks(lab: Lab, rollout: Any) -> None:
    name = f"policy-{type(rollout).__name__.lower()}"
    declared = Endpoint(
        rollout=rollout, bounds=BOUNDS, instance_count=2 if isinstance(rollout, Rolling) else 1
    )
    deploy(lab, name, package(lab, name, f"{name}-1"), declared)
    arn = package(lab, name, f"{name}-2")
    deploy(lab, name, arn, declared)
    assert serving_package(lab.sagemaker.client(), name) == arn
    with pytest.raises(RolloutFailed):
        deploy(lab, name, package(lab, name, f"{name}-3", "error"), declared)
    assert serving_package(lab.sagemaker.client(), name) == arn


def test_a_shadow_s_answers_are_compared_and_never_returned(lab: Lab) -> None:
    """Guards against a shadow whose answers nobody looks at before it takes over."""
    declared = Endpoint(rollout=Shadow(share=1.0, bake_s=2), bounds=BOUNDS)
    capture = {"capture_uri": "s3://lake/captures"}
    name, told = "in-shadow", []

    def bring(n: int, answer: float) -> Outcome:
        arn = package(lab, name, f"{name}-{n}", answer=answer)
        wanted = spec(name, arn, declared, **capture)
        return roll_out(
            lab.sagemaker,
            wanted,
            rows(),
            objects=lab.objects(),
            on_step=told.append,
            poll_s=0.2,
        )

    bring(1, 0.5)
    bring(2, 0.6)
    assert any("in the shadow, agreement: 0.1000" in line for line in told)
    with pytest.raises(RolloutFailed, match=r"again: agreement: 0\.3000") as caught:
        bring(3, 0.9)
    serving = lab.sagemaker.client().describe_endpoint(EndpointName=name)
    assert serving["EndpointConfigName"] == caught.value.serving
    assert not serving.get("ShadowProductionVariants")


def test_an_ab_test_keeps_the_champion_and_ends_by_a_decision(lab: Lab) -> None:
    declared = Endpoint(rollout=ABTest(share=0.3), bounds=BOUNDS)
    first, client = champion(lab, "ab"), lab.sagemaker.client()
    arn = package(lab, "ab", "ab-2", answer=0.6)
    outcome = deploy(lab, "ab", arn, declared)
    assert outcome.plan.trial
    assert serving_package(client, "ab") == first
    assert serving_package(client, "ab", "challenger") == arn
    shown = client.describe_endpoint(EndpointName="ab")["ProductionVariants"]
    assert {v["VariantName"]: round(v["CurrentWeight"], 3) for v in shown} == {
        "live": 0.7, "challenger": 0.3,
    }  # fmt: skip
    body = json.dumps({"instances": [{"x": 1.0}]})
    reply = lab.sagemaker.runtime().invoke_endpoint(
        EndpointName="ab", Body=body, ContentType="application/json", TargetVariant="challenger"
    )
    assert json.loads(reply["Body"].read())["predictions"] == [0.6]
    assert not deploy(lab, "ab", arn, declared).plan.changed
    deploy(lab, "ab", arn, Endpoint(rollout=AllAtOnce(), bounds=BOUNDS))
    assert serving_package(client, "ab") == arn
    assert len(client.describe_endpoint(EndpointName="ab")["ProductionVariants"]) == 1


def test_a_bad_challenger_of_an_ab_test_never_keeps_its_callers(lab: Lab) -> None:
    first = champion(lab, "ab-bad")
    declared = Endpoint(rollout=ABTest(share=0.3), bounds=BOUNDS)
    with pytest.raises(RolloutFailed):
        deploy(lab, "ab-bad", package(lab, "ab-bad", "ab-bad-2", "error"), declared)
    assert serving_package(lab.sagemaker.client(), "ab-bad") == first
    assert serving_package(lab.sagemaker.client(), "ab-bad", "challenger") is None


def test_a_rollout_that_died_before_its_verdict_is_judged_when_it_is_run_again(lab: Lab) -> None:
    """Guards against a challenger that nobody proved because the process ended too early."""
    first = champion(lab, "died")
    arn = package(lab, "died", "died-2", answer=0.65)
    before = lab.sagemaker.client().describe_endpoint(EndpointName="died")["EndpointConfigName"]
    deploy(lab, "died", arn)  # its record would say "running": nothing was asked of quality
    with pytest.raises(RolloutFailed, match="again: quality"):
        deploy(lab, "died", arn, held=rows(rmse=0.101), previous_config=before)
    assert serving_package(lab.sagemaker.client(), "died") == first


def test_the_first_model_of_all_has_nothing_to_go_back_to(lab: Lab) -> None:
    with pytest.raises(RolloutFailed, match="Nothing served before it"):
        deploy(lab, "first-bad", package(lab, "first-bad", "first-1", "nan"))


def test_autoscaling_follows_the_declaration(lab: Lab) -> None:
    """Guards against a fleet that goes on being scaled after nobody declares it any more."""
    client = lab.sagemaker.autoscaling()

    def registered() -> list[tuple[int, int]]:
        found = client.describe_scalable_targets(
            ServiceNamespace="sagemaker", ResourceIds=["endpoint/scaled/variant/live"]
        )["ScalableTargets"]
        return [(target["MinCapacity"], target["MaxCapacity"]) for target in found]

    arn = package(lab, "scaled", "scaled-1")
    scaling = Autoscaling(at_least=1, at_most=3, requests_per_minute=6000)
    deploy(lab, "scaled", arn, Endpoint(autoscaling=scaling))
    assert registered() == [(1, 3)]
    deploy(lab, "scaled", arn, Endpoint())
    assert registered() == []


def test_alarms_of_a_neighbour_with_a_longer_name_are_left_alone(lab: Lab) -> None:
    """Guards against taking down ``flight-delays``'s alarms for ``flight``."""
    cloudwatch = lab.sagemaker.cloudwatch()
    for config in ("flight-0123456789ab", "flight-delays-0123456789ab"):
        (first, *_) = alarms.alarm_requests(
            "flight", config, Bounds(), variant="live", period_s=10, champion_p99_ms=None
        )
        cloudwatch.put_metric_alarm(**first)
    assert alarms.take_down(cloudwatch, "flight", except_config=None) == [
        "mlops-flight-0123456789ab-server-errors"
    ]
