"""Telling people: the log always, an SNS topic and a webhook where the environment names them.

The same alert is told again only after a while, by whatever process: what was told is kept beside
the decisions. A channel that fails is tried again, and never fails a run. Here: channels and that
memory. Not here: what is worth telling (`automation.alarms`). An alert has figures and names, never
values of rows.
"""

import datetime as dt
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

from mlops_assets.resources.monitoring.log import Log
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.names import digest_of

Level = Literal["warning", "page"]

_TIMEOUT_S = 10
# A channel that failed is tried again after so long.
_AGAIN = dt.timedelta(minutes=5)
_SUBJECT = 100  # SNS's limit
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """What happened, what shows it, and what to do about it."""

    level: Level
    pipeline: str
    title: str
    evidence: Mapping[str, str] = field(default_factory=dict)
    next_step: str

    @property
    def digest(self) -> str:
        """The same for the same alert."""
        return digest_of(vars(self))[:32]

    @property
    def text(self) -> str:
        """As people read it."""
        mark = "🔴" if self.level == "page" else "🟡"
        lines = [f"{mark} {self.pipeline}: {self.title}"]
        lines += [f"• {name}: {value}" for name, value in self.evidence.items()]
        return "\n".join([*lines, f"Next: {self.next_step}"])


class Told(BaseModel):
    """That an alert was told on a channel, or that this failed."""

    at: dt.datetime
    failed: str = ""
    text: str = ""


@dataclass(frozen=True)
class AlertChannels:
    """Where alerts go in this world.

    Args:
        topic_arn: of SNS; empty: none.
        webhook: an address that takes ``{"text": …}``; a secret.
    """

    topic_arn: str = ""
    webhook: str = field(default="", repr=False)
    region: str = "us-east-1"

    @cached_property
    def _channels(self) -> dict[str, Callable[[Alert], None]]:
        found: dict[str, Callable[[Alert], None]] = {"log": _to_log}
        if self.topic_arn:
            found["sns"] = self._to_topic
        if self.webhook:
            found["webhook"] = self._to_webhook
        return found

    def send(
        self, store: Store, alert: Alert, *, repeat_after: dt.timedelta, now: dt.datetime
    ) -> list[str]:
        """Tell an alert on every channel that has not told it lately; the channels that did.

        Of processes that tell at once only one does. A failure is kept, logged without the
        address, and tried again by a later call.
        """
        told = []
        for name, tell in self._channels.items():
            log = Log(store.open(), store.uri("alerts", alert.pipeline, name, alert.digest), Told)
            last, end = log.tail(1)
            if last and now - last[0].at < (_AGAIN if last[0].failed else repeat_after):
                continue
            # Claimed first: whoever comes at the same moment finds it told.
            if not log.append(Told(at=now, text=alert.text), after=end):
                continue
            try:
                tell(alert)
            except _undelivered() as error:
                reason = self._without_address(f"{type(error).__name__}: {error}")
                _log.warning("alert on %s failed, is tried again: %s", name, reason)
                log.append(Told(at=now, failed=reason), after=end + 1)
            else:
                told.append(name)
        return told

    def _to_topic(self, alert: Alert) -> None:
        subject = f"[{alert.level}] {alert.pipeline}: {alert.title}"
        # SNS takes printable ASCII on one line.
        plain = subject.encode("ascii", "replace").decode().replace("\n", " ")
        self._sns.publish(TopicArn=self.topic_arn, Subject=plain[:_SUBJECT], Message=alert.text)

    @cached_property
    def _sns(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=5, read_timeout=_TIMEOUT_S, retries={"total_max_attempts": 3}
        )
        return boto3.client("sns", region_name=self.region, config=config)

    def _to_webhook(self, alert: Alert) -> None:
        url = urlsplit(self.webhook)
        if url.scheme != "https" and url.hostname not in ("127.0.0.1", "::1"):
            raise ValueError("the webhook is neither https nor on this machine")
        body = json.dumps({"text": alert.text}).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            self.webhook, data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        with _opener.open(request, timeout=_TIMEOUT_S) as reply:
            reply.read(1024)

    def _without_address(self, text: str) -> str:
        return text.replace(self.webhook, "<webhook>") if self.webhook else text


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An alert goes to the address that was configured, or nowhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def _to_log(alert: Alert) -> None:
    level = logging.ERROR if alert.level == "page" else logging.WARNING
    _log.log(level, "%s", alert.text)


def _undelivered() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError, OSError, ValueError, urllib.error.URLError)
