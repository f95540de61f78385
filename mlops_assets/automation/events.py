"""The sensor `sagemaker_events`: what happened in SageMaker without us, heard of by a queue.

One for the code location, since a message is taken once. Here: taking messages, and when each may
go. Not here: what an event calls for (`event_answers`), the queue (`resources.events`).

A message is deleted when nothing is left to do for it, and not before: a run that it calls for must
be seen in Dagster first, by a later delivery. So neither a lost tick nor a killed daemon loses an
event; and since every answer follows from how SageMaker is now, neither a second delivery nor an
old one does anything twice.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from mlops_assets.automation.event_answers import Answer, Answers
from mlops_assets.automation.local_api import asleep
from mlops_assets.automation.targets import Targets
from mlops_assets.resources.events.queue import EventQueue, Message
from mlops_assets.resources.events.sagemaker_event import NotAnEvent, parse
from mlops_assets.resources.monitoring.alerts import AlertChannels
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

NAME = "sagemaker_events"
_A_TICK = 30
_SHOWN = 5


def build(found: Sequence[Targets], queue_url: str) -> list[dg.SensorDefinition]:
    """The sensor, off by default; none where no queue is set (``MLOPS_EVENTS_QUEUE_URL``)."""
    if not queue_url:
        return []
    pipelines = [each.pipeline for each in found]
    manual = [each for each in found if each.pipeline.approval == "manual"]
    jobs = [each.deployment_job for each in manual]

    @dg.sensor(
        name=NAME,
        jobs=jobs or None,
        minimum_interval_seconds=30,
        description=(
            "Takes SageMaker's events from the queue: a model package that a person approved is "
            "deployed, an endpoint that changed without a run is observed and told of, a job that "
            "ended badly while nobody followed it is noted at its asset."
        ),
    )
    def sagemaker_events(
        context: dg.SensorEvaluationContext,
        sagemaker: SageMakerResource,
        store: Store,
        alerts: dg.ResourceParam[AlertChannels],
        events: dg.ResourceParam[EventQueue],
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if asleep(sagemaker):
            yield dg.SkipReason("The local SageMaker API is not running: start it with `mlops up`.")
            return
        answers = Answers(pipelines, sagemaker.client(), store, context.instance, alerts)
        said: list[str] = []
        asked: set[str] = set()
        for message in events.take(_A_TICK):
            answer = _answer(context, answers, message)
            if answer is None:
                said.append("a message could not be handled")
                continue
            said.append(answer.words)
            request = answer.request
            if request is not None and str(request.run_key) not in asked:
                asked.add(str(request.run_key))
                yield request
            if answer.again_after_s is not None:
                events.put_off(message, answer.again_after_s)
            elif request is None:
                events.delete(message)
        if not asked:
            shown = "; ".join(list(dict.fromkeys(said))[:_SHOWN])
            yield dg.SkipReason(shown or "Nothing has happened.")

    return [sagemaker_events]


def _answer(
    context: dg.SensorEvaluationContext, answers: Answers, message: Message
) -> Answer | None:
    """What to do; None: it is left to come again, and in the end to the dead-letter queue."""
    try:
        return answers.to(parse(message.body))
    except NotAnEvent as error:
        context.log.error(f"message {message.id}: {error}")
    except Exception:
        # Whatever is wrong with one message must not keep the others from being handled: they would
        # come too often, and end in the dead-letter queue with it.
        context.log.exception(f"message {message.id} could not be handled")
    return None
