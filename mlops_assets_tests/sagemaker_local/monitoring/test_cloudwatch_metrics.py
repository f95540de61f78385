"""CloudWatch: what an endpoint does is measured under the service's names, and alarms watch it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually

pytestmark = pytest.mark.integration


def dimensions(**values: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in values.items()]


def statistics(api: LocalApi, name: str, *names: str, of: Any, namespace="AWS/SageMaker", **more):
    """The statistics of the last ten minutes as one datapoint, {} if there is none."""
    now = time.time()
    found = api.cw.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=of,
        StartTime=now - 600,
        EndTime=now + 60,
        Period=3600,
        **({"Statistics": list(names)} if names else {}) | more,
    )
    (point, *_) = sorted(found["Datapoints"], key=lambda p: p["Timestamp"])[-1:] or [{}]
    return point


def test_invocations_are_measured_as_the_service_does(api: LocalApi):
    """Dashboards and alarms written for AWS must read the same here."""
    api.model("measured", "measured")
    api.deploy("measured", "measured")
    for _ in range(8):
        api.invoke("measured")
    for _ in range(2):
        with pytest.raises(ClientError):
            api.invoke("measured", b"wrong row")
    of = dimensions(EndpointName="measured", VariantName="AllTraffic")
    for more in ([], dimensions(EndpointConfigName="measured")):
        assert statistics(api, "Invocations", "Sum", of=of + more)["Sum"] == 10
        errors = statistics(api, "Invocation4XXErrors", "Sum", "Average", of=of + more)
        assert (errors["Sum"], errors["Average"]) == (2, 0.2)
        assert statistics(api, "Invocation5XXErrors", "Sum", of=of + more)["Sum"] == 0
        assert statistics(api, "InvocationModelErrors", "Sum", of=of + more)["Sum"] == 2
        latency = statistics(
            api, "ModelLatency", "Minimum", "Maximum", of=of + more, ExtendedStatistics=["p99"]
        )
        assert latency["Unit"] == "Microseconds"
        assert 0 < latency["Minimum"] <= latency["ExtendedStatistics"]["p99"] <= latency["Maximum"]
    listed = api.cw.list_metrics(
        Namespace="AWS/SageMaker", Dimensions=dimensions(EndpointName="measured")
    )["Metrics"]
    assert {metric["MetricName"] for metric in listed} >= {"Invocations", "OverheadLatency"}
    assert {len(metric["Dimensions"]) for metric in listed} == {2, 3}


def test_own_metrics_are_put_and_got_with_math(api: LocalApi):
    """A job's own numbers, and a quotient of two of them."""
    now = int(time.time())
    data = [
        {"MetricName": "e", "Value": 3.0, "Timestamp": now - 30},
        {"MetricName": "i", "Values": [1.0, 2.0], "Counts": [4.0, 1.0], "Timestamp": now - 30},
        {
            "MetricName": "s",
            "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4},
        },
    ]
    api.cw.put_metric_data(Namespace="own", MetricData=data)

    def query(id_: str, name: str) -> dict[str, Any]:
        of = {"Metric": {"Namespace": "own", "MetricName": name}, "Period": 10, "Stat": "Sum"}
        return {"Id": id_, "MetricStat": of, "ReturnData": False}

    queries = [query("e", "e"), query("i", "i"), {"Id": "q", "Expression": "100*e/i"}]
    (result,) = api.cw.get_metric_data(MetricDataQueries=queries, StartTime=now - 120, EndTime=now)[
        "MetricDataResults"
    ]
    assert (result["Id"], result["Values"], result["StatusCode"]) == ("q", [50.0], "Complete")
    assert int(result["Timestamps"][0].timestamp()) == (now - 30) // 10 * 10
    point = statistics(api, "s", "Average", "Maximum", of=[], namespace="own")
    assert (point["Average"], point["Maximum"]) == (2.5, 4.0)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"Namespace": "AWS/SageMaker", "MetricData": [{"MetricName": "m", "Value": 1.0}]}, "AWS/"),
        ({"Namespace": "own", "MetricData": []}, "1 to 1000"),
        ({"Namespace": "own", "MetricData": [{"MetricName": "m"}]}, "needs one of"),
        (
            {
                "Namespace": "own",
                "MetricData": [{"MetricName": "m", "Values": [1.0], "Counts": [1.0, 2.0]}],
            },
            "different length",
        ),
        (
            {"Namespace": "own", "MetricData": [{"MetricName": "m", "Value": 1.0, "Timestamp": 1}]},
            "hours away",
        ),
    ],
)
def test_wrong_metric_data_is_refused(api: LocalApi, data, code):
    """A number that is dropped in silence is missed at the worst time."""
    with pytest.raises(ClientError, match=code):
        api.cw.put_metric_data(**data)


def test_an_alarm_follows_its_metric_and_can_be_set_by_hand(api: LocalApi):
    """Every state is reached, with its reason, and a drill does not last for ever."""
    alarm = {
        "AlarmName": "life",
        "Namespace": "own",
        "MetricName": "level",
        "Statistic": "Maximum",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "ActionsEnabled": False,
        "AlarmActions": ["arn:aws:sns:us-east-1:000000000000:on-call"],
    }

    def state() -> str:
        (found,) = api.cw.describe_alarms(AlarmNames=["life"])["MetricAlarms"]
        return found["StateValue"]

    api.cw.put_metric_alarm(**alarm)
    (found,) = api.cw.describe_alarms(AlarmNamePrefix="li")["MetricAlarms"]
    assert {key: found[key] for key in alarm} == alarm
    assert found["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:000000000000:alarm:life"
    assert (found["StateValue"], found["StateReason"]) == (
        "INSUFFICIENT_DATA",
        "Unchecked: Initial alarm creation",
    )
    api.cw.set_alarm_state(AlarmName="life", StateValue="OK", StateReason="a drill")
    assert state() == "OK"
    api.cw.put_metric_data(Namespace="own", MetricData=[{"MetricName": "level", "Value": 2.0}])
    api.cw.put_metric_alarm(**alarm)  # ends the drill: a new definition is evaluated at once
    eventually(lambda: state() == "ALARM")
    (found,) = api.cw.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert "greater than or equal to the threshold (1)" in found["StateReason"]
    eventually(lambda: state() == "INSUFFICIENT_DATA")
    api.cw.delete_alarms(AlarmNames=["life", "none"])
    assert api.cw.describe_alarms(AlarmNames=["life"])["MetricAlarms"] == []
    with pytest.raises(api.cw.exceptions.ResourceNotFound):
        api.cw.set_alarm_state(AlarmName="life", StateValue="OK", StateReason="gone")


def test_an_alarm_that_is_to_act_is_refused(api: LocalApi):
    """Nobody is called here: an alarm that is believed to call somebody is a trap."""
    with pytest.raises(ClientError, match="runs no actions"):
        api.error_alarm("loud", "e", "c", AlarmActions=["arn:aws:sns:us-east-1:0:on-call"])


def test_alarms_survive_a_restart(new_api):
    """A deployment after a restart must find its guard still hung up."""
    api = new_api()
    api.error_alarm("kept", "e", "c", TreatMissingData="breaching")
    eventually(lambda: api.cw.describe_alarms(StateValue="ALARM")["MetricAlarms"])
    api.end(kill=True)
    api.start()
    (found,) = api.cw.describe_alarms(AlarmNames=["kept"])["MetricAlarms"]
    assert found["StateValue"] == "ALARM"
