"""What a failed AWS call means: not there, already there, or worth asking again.

SageMaker has no one code for "not found": a missing job, model or endpoint is a
ValidationException whose message says so. Here is the only place that reads those messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

if TYPE_CHECKING:
    from tenacity import RetryCallState

Result = TypeVar("Result")

NO_ANSWER = (BotoCoreError, ClientError)
"""What a call raises that was refused, or that nobody answered."""

_UNREACHABLE_S = 60

_TRANSIENT_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_NOT_FOUND_CODES = frozenset({"ResourceNotFound", "ResourceNotFoundException"})
_NOT_FOUND_MESSAGE = re.compile(r"could not find|not found|does not exist|cannot find", re.I)
_EXISTS_CODES = frozenset({"ConflictException", "ResourceInUse"})
_EXISTS_MESSAGE = re.compile(r"already exist", re.I)


def error_code(error: BaseException) -> str:
    """AWS's code, or "" for anything that is not an answer of AWS."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def error_message(error: BaseException) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Message", "")) if isinstance(response, dict) else ""


def is_not_found(error: BaseException) -> bool:
    code = error_code(error)
    return code in _NOT_FOUND_CODES or (
        code == "ValidationException" and bool(_NOT_FOUND_MESSAGE.search(error_message(error)))
    )


def already_exists(error: BaseException) -> bool:
    code = error_code(error)
    return code in _EXISTS_CODES or (
        code == "ValidationException" and bool(_EXISTS_MESSAGE.search(error_message(error)))
    )


def connection_lost(error: BaseException) -> bool:
    """No answer came: the call may or may not have had its effect."""
    return isinstance(error, HTTPClientError | BotoConnectionError | ConnectionError)


def is_transient(error: BaseException) -> bool:
    """Throttled, a server's own trouble, or no answer: asking again may help."""
    if connection_lost(error) or error_code(error) in _TRANSIENT_CODES:
        return True
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return False
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status == 429 or status >= 500


def patiently(call: Callable[[], Result], *, patience_s: float = 1800) -> Result:
    """Repeat a call that changes nothing while its failures are transient.

    Waits grow from half a second to 30 s, with full jitter (tenacity's random exponential), on top
    of botocore's own retries: minutes of throttling pass without touching the job.

    Raises:
        the last error, when it is not transient or ``patience_s`` seconds are over.
    """
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

    retrying = Retrying(
        retry=retry_if_exception(is_transient),
        wait=wait_random_exponential(multiplier=0.5, max=30),
        stop=lambda state: stop_after_delay(
            # An address where nothing listens is more likely wrong than busy.
            min(patience_s, _UNREACHABLE_S) if _unreachable(state) else patience_s
        )(state),
        reraise=True,
    )
    return retrying(call)


def _unreachable(state: RetryCallState) -> bool:
    return state.outcome is not None and isinstance(
        state.outcome.exception(), EndpointConnectionError
    )


def found_or_none(call: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """The description, or None where the thing is not there."""
    try:
        return patiently(call)
    except ClientError as error:
        if is_not_found(error):
            return None
        raise
