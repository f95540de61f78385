"""A transform job's questions to its model servers.

Belongs here: ModelClientConfig's timeout and retries, the container's execution parameters. Does
not belong here: which payload is asked when, and what becomes of the answer (transform_run.py).
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from mlops_assets.sagemaker_local.fleet.hosting import Variant
from mlops_assets.sagemaker_local.http_client import BrokenAnswer, NoAnswer, NotReached, Response
from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.transforming.transform_records import MB

_RETRIES, _TIMEOUT_S = 3, 600  # the service's defaults of ModelClientConfig
_PAYLOAD_MB = 6
_PARAMETERS_S = 2.0
_ANSWER_LIMIT = 100 * MB
_PAUSE_S = 0.2


class TransformFailed(Exception):
    """The message is the job's FailureReason."""


@dataclass(frozen=True)
class Parameters:
    """What the request leaves open, the container may say, and the service has defaults for."""

    concurrent: int
    strategy: str
    payload_mb: int


class ModelClient:
    """Asks the replicas of one variant in a job's way."""

    def __init__(self, variant: Variant, request: Document) -> None:
        self._variant = variant
        self._request = request
        client = request.get("ModelClientConfig", {})
        self._timeout = client.get("InvocationsTimeoutInSeconds", _TIMEOUT_S)
        self._retries = client.get("InvocationsMaxRetries", _RETRIES)
        source, output = request["TransformInput"], request["TransformOutput"]
        kinds = {"content-type": source.get("ContentType"), "accept": output.get("Accept")}
        self._headers = {name: kind for name, kind in kinds.items() if kind}

    async def parameters(self) -> Parameters:
        """The request's, else the container's, else the service's. Raises TransformFailed."""
        said = await self._execution_parameters()
        defaults: Document = {"MaxConcurrentTransforms": 1, "BatchStrategy": "MultiRecord"}
        defaults |= {"MaxPayloadInMB": _PAYLOAD_MB}
        # MaxConcurrentTransforms of 0 leaves it open too.
        given = {key: self._request[key] for key in defaults if self._request.get(key) is not None}
        if not given.get("MaxConcurrentTransforms"):
            given.pop("MaxConcurrentTransforms", None)
        found: Document = defaults | said | given
        try:
            concurrent = int(found["MaxConcurrentTransforms"])
            payload = int(found["MaxPayloadInMB"])
        except (TypeError, ValueError) as error:
            raise TransformFailed(
                f"AlgorithmError: /execution-parameters answered {said}: {error}"
            ) from error
        return Parameters(max(1, concurrent), str(found["BatchStrategy"]), payload)

    async def _execution_parameters(self) -> Document:
        client = self._variant.replicas[0].client
        if client is None:
            return {}
        try:
            async with asyncio.timeout(_PARAMETERS_S):
                reply = await client.request("GET", "/execution-parameters", {}, b"", 65536)
            said = json.loads(reply.body) if reply.status == 200 else None
        except (ConnectionError, TimeoutError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    async def ask(self, payload: bytes, where: str) -> bytes:
        """The answer; 5xx, no answer and a late one are asked for again. Raises TransformFailed."""
        problem = ""
        for attempt in range(self._retries + 1):
            if attempt:
                await asyncio.sleep(_PAUSE_S * 2**attempt)
            try:
                async with asyncio.timeout(self._timeout):
                    response = await self._post(payload)
            except (NoAnswer, BrokenAnswer) as error:
                problem = str(error)
                continue
            except TimeoutError:
                problem = f"no answer within {self._timeout} s"
                continue
            if response.status < 300:
                return response.body
            said = response.body[:600].decode(errors="replace")
            problem = f"the container answered {response.status}: {said}"
            if response.status < 500:
                raise TransformFailed(f"ClientError: {where}: {problem}")
        raise TransformFailed(f"AlgorithmError: {where}: {problem}")

    async def _post(self, payload: bytes) -> Response:
        replica = self._variant.next_replica()
        if replica is None or replica.client is None:
            raise NotReached("no model server is ready")
        replica.in_flight += 1
        try:
            return await replica.client.request(
                "POST", "/invocations", self._headers, payload, _ANSWER_LIMIT
            )
        finally:
            replica.in_flight -= 1
