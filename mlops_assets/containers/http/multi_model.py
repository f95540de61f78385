"""SageMaker's routes for several models in one container, over the pool that holds them.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html. Belongs here: paths
and bodies. Does not: holding models (pool.py), or how a request is computed (service.py).
"""

from __future__ import annotations

import logging

import orjson

from mlops_assets.containers.http import http_reply
from mlops_assets.containers.http.work import Route, route_of
from mlops_assets.containers.pool import LoadedModel, ModelPool, PoolError
from mlops_assets.containers.reply import JSON, Reply, error

log = logging.getLogger(__name__)

_MODELS, _INVOKE = "/models", "/invoke"


class ModelRoutes:
    """POST and GET /models, GET and DELETE /models/{name}, POST /models/{name}/invoke."""

    def __init__(self, pool: ModelPool) -> None:
        self._pool = pool
        # Loading takes its time: never on the event loop.
        self._loading = Route(self._load, inline_bytes=-1)

    def __call__(self, method: str, path: str) -> Route | Reply | None:
        """Who answers, or the answer; None for a path of somebody else."""
        if path == _MODELS:
            if method == "POST":
                return self._loading
            return self._listed() if method == "GET" else http_reply.not_allowed("GET, POST")
        if not path.startswith(_MODELS + "/"):
            return None
        name = path.removeprefix(_MODELS + "/")
        try:
            if name.endswith(_INVOKE):
                if method != "POST":
                    return http_reply.not_allowed("POST")
                return route_of(self._pool.handler(name.removesuffix(_INVOKE)))
            if method == "GET":
                return _reply(_described(self._pool.model(name)))
            if method == "DELETE":
                self._pool.unload(name)
                return _reply({})
        except PoolError as refused:
            return _refused(refused)
        return http_reply.not_allowed("DELETE, GET")

    def _listed(self) -> Reply:
        return _reply({"models": [_described(model) for model in self._pool.models()]})

    def _load(self, content_type: str, accept: str, body: bytes) -> Reply:
        try:
            asked = orjson.loads(body)
            name, url = asked["model_name"], asked["url"]
        except (ValueError, KeyError, TypeError):
            name = url = None
        if not (isinstance(name, str) and isinstance(url, str)):
            return error(400, 'send {"model_name": …, "url": …} as JSON')
        try:
            return _reply(_described(self._pool.load(name, url)))
        except PoolError as refused:
            if refused.__cause__:
                log.error("a model does not load: %s", refused.__cause__)
            return _refused(refused)


def _described(model: LoadedModel) -> dict[str, str]:
    return {"modelName": model.name, "modelUrl": model.url}


def _reply(content: object) -> Reply:
    return Reply(200, JSON, orjson.dumps(content))


def _refused(refused: PoolError) -> Reply:
    return error(refused.status, refused.message, f"model_{refused.status}")
