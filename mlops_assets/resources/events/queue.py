"""The queue that EventBridge's events of SageMaker lie in until somebody has acted on them.

Here: taking a few messages, giving them back, deleting them. Not here: what they say
(`sagemaker_event`), nor what follows (`automation.events`).

What is taken is hidden for the queue's visibility timeout and comes again unless it is deleted.
What comes too often (``maxReceiveCount`` of the queue's redrive policy) goes to its dead-letter
queue: nothing that cannot be handled is lost, and nothing is handled for ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_BATCH = 10  # SQS's limit


@dataclass(frozen=True)
class Message:
    """One delivery; the same message may be delivered again, by another ``receipt``."""

    id: str
    receipt: str
    body: str


@dataclass(frozen=True)
class EventQueue:
    """A queue of SQS, by its URL. No connection is opened before it is asked."""

    url: str
    region: str = "us-east-1"

    def take(self, at_most: int) -> Iterator[Message]:
        """Messages that are there now, without waiting for more; none twice."""
        seen: set[str] = set()
        while len(seen) < at_most:
            answer = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(_BATCH, at_most - len(seen)),
                WaitTimeSeconds=0,
            )
            found = [m for m in answer.get("Messages", []) if m["MessageId"] not in seen]
            if not found:
                return
            seen |= {message["MessageId"] for message in found}
            for message in found:
                yield Message(message["MessageId"], message["ReceiptHandle"], message["Body"])

    def delete(self, message: Message) -> None:
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt)

    def put_off(self, message: Message, seconds: int) -> None:
        """Let the message come again after so long."""
        self._sqs.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
        )

    @cached_property
    def _sqs(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3})
        return boto3.client("sqs", region_name=self.region, config=config)
