"""What AWS's answers mean, in the words that the services use."""

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from mlops_assets.resources.sagemaker.errors import (
    already_exists,
    connection_lost,
    found_or_none,
    is_not_found,
    is_transient,
    patiently,
)


def error(code: str, message: str = "", status: int = 400) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "Operation")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [
        "Requested resource not found.",
        'Could not find model "arn:aws:sagemaker:us-east-1:1:model/x".',
        'Could not find endpoint configuration "x".',
        "ModelPackageGroup arn:aws:sagemaker:us-east-1:1:model-package-group/x does not exist.",
    ],
)
def test_sagemaker_s_ways_to_say_that_something_is_not_there(message: str) -> None:
    assert is_not_found(error("ValidationException", message))
    assert not already_exists(error("ValidationException", message))


def test_a_wrong_request_is_neither_missing_nor_worth_repeating() -> None:
    """Guards against an invalid Describe being read as "there is no job", and one being created."""
    wrong = error("ValidationException", "1 validation error detected: Value 'x' at 'name'")
    assert not is_not_found(wrong)
    assert not already_exists(wrong)
    assert not is_transient(wrong)
    assert not is_transient(error("AccessDeniedException"))
    assert not is_transient(error("ResourceLimitExceeded"))
    assert not is_transient(error("ExpiredTokenException"))


def test_a_taken_name() -> None:
    assert already_exists(error("ResourceInUse", "Job name must be unique"))
    assert already_exists(
        error("ValidationException", 'Cannot create already existing model "arn:aws:x".')
    )


def test_throttling_server_trouble_and_silence_are_worth_asking_again() -> None:
    assert is_transient(error("ThrottlingException", "Rate exceeded"))
    assert is_transient(error("Unknown", status=503))
    assert is_transient(error("Unknown", status=429))
    for silence in (
        ReadTimeoutError(endpoint_url="http://x"),
        ConnectionClosedError(endpoint_url="http://x"),
        ConnectionResetError(),
    ):
        assert connection_lost(silence)
        assert is_transient(silence)


def test_patience_ends_and_says_why() -> None:
    calls: list[int] = []

    def throttled() -> None:
        calls.append(1)
        raise error("ThrottlingException", "Rate exceeded")

    with pytest.raises(ClientError, match="Rate exceeded"):
        patiently(throttled, patience_s=0.1)
    assert calls


def test_only_what_is_not_there_is_none() -> None:
    def missing() -> dict[str, object]:
        raise error("ValidationException", "Requested resource not found.")

    def denied() -> dict[str, object]:
        raise error("AccessDeniedException", "not yours")

    assert found_or_none(missing) is None
    with pytest.raises(ClientError, match="not yours"):
        found_or_none(denied)
