"""What the API answers when it refuses, in the service's own codes and words.

Belongs here: the one exception that handlers raise, and constructors for the codes in use. Does not
belong here: how an error is put on the wire (protocol.py, runtime.py).
"""

from __future__ import annotations


class ApiError(Exception):
    """A refusal: ``code`` as the service names it, ``status`` the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> ApiError:
    """The request is wrong, or names something that is not there."""
    return ApiError("ValidationException", message)


def missing(noun: str, arn: str) -> ApiError:
    """The service says ValidationException, not ResourceNotFound, for most of its resources."""
    return invalid(f'Could not find {noun} "{arn}".')


def in_use(message: str) -> ApiError:
    """The name is taken."""
    return ApiError("ResourceInUse", message)


def over_limit(message: str) -> ApiError:
    """A quota of this machine would be exceeded."""
    return ApiError("ResourceLimitExceeded", message)


def unsupported(what: str, remedy: str) -> ApiError:
    """The service can do it, the local API cannot: said, never faked."""
    return invalid(f"The local SageMaker API does not support {what}: {remedy}")
