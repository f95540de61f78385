"""Temporary credentials of roles, as ECS and SageMaker hand them to their containers.

Here: issuing them, knowing them again, their end. Not here: what a role may do (roles). Signatures
are not computed anew: the session token, which nobody else has, says whose request it is.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops_assets_tests.aws.authority.operations import Request


class CredentialsRefused(Exception):
    """``code`` is AWS's name for what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Session:
    """Who has a token, and until when (seconds since the epoch)."""

    role: str
    key: str
    expires: float


class Credentials:
    """All sessions; ``lifetime`` in seconds is given to those that are issued from now on."""

    def __init__(self, lifetime: float = 3600.0) -> None:
        self.lifetime = lifetime
        self.issued: list[str] = []
        self.refusing = False
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def issue(self, role: str) -> dict[str, str]:
        """The document of ECS's credentials endpoint (`Task IAM role`, its developer guide)."""
        if self.refusing:
            raise CredentialsRefused("Throttling", "no credentials are given out at the moment")
        key, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(64)
        expires = time.time() + self.lifetime
        with self._lock:
            self._sessions[token] = Session(role, key, expires)
            self.issued.append(role)
        return {
            "AccessKeyId": key,
            "SecretAccessKey": secrets.token_urlsafe(30),
            "Token": token,
            "Expiration": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def expire(self, role: str) -> None:
        """End every session of a role, whatever its owner thinks."""
        with self._lock:
            for token, session in self._sessions.items():
                if session.role == role:
                    self._sessions[token] = Session(role, session.key, 0.0)

    def owner(self, request: Request) -> tuple[str, str]:
        """The role that signed a request, and the service that it is signed for.

        Raises:
            CredentialsRefused: nobody signed it, or with what is unknown or over.
        """
        signed = re.match(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request",
            request.header("authorization"),
        )
        if not signed:
            text = f"{request.method} {request.path} is not signed"
            raise CredentialsRefused("MissingAuthenticationToken", text)
        session = self._sessions.get(request.header("x-amz-security-token"))
        if session is None or session.key != signed[1]:
            text = "The security token included in the request is invalid."
            raise CredentialsRefused("UnrecognizedClientException", text)
        if session.expires <= time.time():
            text = "The security token included in the request is expired"
            raise CredentialsRefused("ExpiredTokenException", text)
        return session.role, signed[2]


def variables(url: str, role: str) -> Mapping[str, str]:
    """What a container finds in its environment, by which every AWS SDK gets its role's keys."""
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/-/credentials/{role}"}
