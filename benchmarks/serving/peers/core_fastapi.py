"""The project's own handle() behind FastAPI: uvicorn core_fastapi:app, with MODEL naming the
artifact. What is left of its speed under a common framework?"""

import os
from pathlib import Path

from fastapi import FastAPI, Request, Response

from mlops_assets.containers.engines import load_handler

handler = load_handler(Path(os.environ["MODEL"]))
app = FastAPI()


@app.get("/ping")
async def ping() -> Response:
    return Response()


@app.post("/invocations")
async def invocations(request: Request) -> Response:
    headers = request.headers
    content_type, accept = headers.get("content-type", ""), headers.get("accept", "")
    reply = handler.handle(content_type, accept, await request.body())
    return Response(reply.body, reply.status, media_type=reply.content_type)
