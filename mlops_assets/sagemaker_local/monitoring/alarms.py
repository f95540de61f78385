"""Alarms: kept, evaluated over a sliding window, and asked by deployments.

Belongs here: PutMetricAlarm, DescribeAlarms, DeleteAlarms, SetAlarmState, and when an alarm is in
which state. Does not belong here: the measurements (metric_store.py), what follows from an alarm
(deployments.py).

CloudWatch evaluates once a period over aligned periods; here the window slides by the second and
ends now, so that an alarm of 10 s is in ALARM as soon as its metric is bad, which no local test has
to wait a minute for. Actions are not run, so an alarm that is to run some is refused.
"""

from __future__ import annotations

import asyncio
import logging
import time

from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.listing import read_token, write_token
from mlops_assets.sagemaker_local.monitoring.alarm_state import Evaluation, definition, evaluate
from mlops_assets.sagemaker_local.monitoring.metric_query import wrong
from mlops_assets.sagemaker_local.monitoring.metric_store import MetricStore
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Document, Store

KIND = "alarm"
LIMIT = 5000
_PAUSE = 0.25
_WINDOW_SHARE = 1200
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")
_REFUSED = ("EvaluationWindow", "EvaluationCriteria", "WarmUpConfiguration", "ThresholdMetricId")
log = logging.getLogger(__name__)


def _acts(alarm: Document) -> bool:
    return bool(alarm.get("ActionsEnabled", True)) and any(alarm.get(each) for each in _ACTIONS)


class Alarms:
    """All alarms of one server."""

    def __init__(self, config: Config, store: Store, metrics: MetricStore) -> None:
        self._config = config
        self._store = store
        self._metrics = metrics
        self._evaluations = {
            document["AlarmName"]: Evaluation(definition(document), document["StateValue"])
            for document in store.all(KIND)
        }
        self._tripped: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    def operations(self) -> dict[str, Handler]:
        return {
            "PutMetricAlarm": self.put,
            "DescribeAlarms": self.describe,
            "DeleteAlarms": self.delete,
            "SetAlarmState": self.set_state,
        }

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def shutdown(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def exists(self, name: str) -> bool:
        return name in self._evaluations

    def tripped(self, name: str, since: float) -> str | None:
        """Why the alarm is, or was at some time since then, in ALARM; None if it was not.

        An alarm that is gone counts as tripped: nobody watches any more.
        """
        self._evaluate(name)
        document = self._store.get(KIND, name)
        if document is None:
            return f"alarm {name} was deleted"
        if document["StateValue"] == "ALARM":
            return f"alarm {name} is in ALARM: {document['StateReason']}"
        if self._tripped.get(name, 0.0) >= since:
            return f"alarm {name} was in ALARM"
        return None

    def put(self, request: Document) -> Document:
        name, now = request["AlarmName"], time.time()
        for member in _REFUSED:
            if member in request:
                raise wrong(f"The local CloudWatch does not support {member}: leave it out")
        # With objects in S3 the rest of AWS is some other server's: what would act is kept, so that
        # a deployment's own requests can be tried.
        if _acts(request) and self._config.objects != "s3":
            raise wrong("The local CloudWatch runs no actions: set ActionsEnabled to False")
        evaluation_of = definition(request)
        old = self._store.get(KIND, name)
        if old is None and len(self._evaluations) >= LIMIT:
            raise ApiError("LimitExceeded", f"{LIMIT} alarms exist already")
        arn = f"{self._config.arn('alarm', '', 'cloudwatch').removesuffix('/')}:{name}"
        kept = ("StateValue", "StateReason", "StateUpdatedTimestamp", "StateTransitionedTimestamp")
        state = {member: old[member] for member in kept} if old else _state_members(now)
        own: Document = {"ActionsEnabled": True, "Arn": arn, "AlarmArn": arn}
        document = own | request | state
        document["AlarmConfigurationUpdatedTimestamp"] = now
        document.pop("Tags", None)
        self._store.put(KIND, name, document)
        self._evaluations[name] = Evaluation(evaluation_of, document["StateValue"])
        self._evaluate(name)
        return {}

    def describe(self, request: Document) -> Document:
        names, prefix = request.get("AlarmNames"), request.get("AlarmNamePrefix", "")
        if names is not None and prefix:
            text = "AlarmNames and AlarmNamePrefix exclude each other"
            raise ApiError("InvalidParameterCombination", text)
        found = [
            document
            for document in self._store.all(KIND)
            if (names is None or document["AlarmName"] in names)
            and document["AlarmName"].startswith(prefix)
            and document["StateValue"] == request.get("StateValue", document["StateValue"])
            and "MetricAlarm" in request.get("AlarmTypes", ["MetricAlarm"])
        ]
        found.sort(key=lambda document: document["AlarmName"])
        start, size = read_token(request.get("NextToken")), request.get("MaxRecords", 50)
        token = write_token(start + size) if start + size < len(found) else None
        page = found[start : start + size]
        return {"MetricAlarms": page, "CompositeAlarms": [], "NextToken": token}

    def delete(self, request: Document) -> Document:
        """Names that are not there are passed over, as the service does it."""
        for name in request["AlarmNames"]:
            if self._evaluations.pop(name, None) is not None:
                self._store.delete(KIND, name)
        return {}

    def set_state(self, request: Document) -> Document:
        """Holds for one period, then the measurements count again."""
        name = request["AlarmName"]
        evaluation = self._evaluations.get(name)
        if evaluation is None:
            raise ApiError("ResourceNotFound", f"There is no alarm {name}", status=404)
        evaluation.hold_until = time.time() + evaluation.definition.period
        self._transition(name, request["StateValue"], request["StateReason"])
        return {}

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            for name in [*self._evaluations]:
                try:
                    self._evaluate(name)
                except Exception:  # one alarm's trouble must not blind the others
                    log.exception("alarm %s", name)

    def _evaluate(self, name: str) -> None:
        evaluation, now = self._evaluations.get(name), time.time()
        if evaluation is None or now < max(evaluation.hold_until, evaluation.due):
            return
        # A window of hours takes its time to add up, and its state none to change.
        evaluation.due = now + evaluation.definition.window_s / _WINDOW_SHARE
        state, reason = evaluate(evaluation.definition, self._metrics, now, evaluation.state)
        if state != evaluation.state:
            self._transition(name, state, reason)

    def _transition(self, name: str, state: str, reason: str) -> None:
        now = time.time()
        if state == "ALARM":
            self._tripped[name] = now
        self._evaluations[name].state = state
        log.info("alarm %s is %s: %s", name, state, reason)
        if state == "ALARM" and _acts(self._store.get(KIND, name) or {}):
            log.warning("alarm %s would act: no action is run here", name)
        self._store.update(
            KIND,
            name,
            StateValue=state,
            StateReason=reason[:1023],
            StateUpdatedTimestamp=now,
            StateTransitionedTimestamp=now,
        )


def _state_members(now: float) -> Document:
    return {
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
        "StateUpdatedTimestamp": now,
        "StateTransitionedTimestamp": now,
    }
