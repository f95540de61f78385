"""The project's own handle() behind Flask: gunicorn core_flask:app, with MODEL naming the artifact.
What is left of its speed under a common framework?"""

import os
from pathlib import Path

import flask

from mlops_assets.containers.engines import load_handler

handler = load_handler(Path(os.environ["MODEL"]))
app = flask.Flask(__name__)


@app.get("/ping")
def ping() -> flask.Response:
    return flask.Response(status=200)


@app.post("/invocations")
def invocations() -> flask.Response:
    request = flask.request
    content_type, accept = request.headers["content-type"], request.headers.get("accept", "")
    reply = handler.handle(content_type, accept, request.get_data())
    return flask.Response(reply.body, reply.status, content_type=reply.content_type)
