"""FastAPI and pandas on uvicorn: uvicorn fastapi_pandas:app, with MODEL naming the artifact."""

import io
import os
from pathlib import Path
from typing import Any

import pandas as pd
from fastapi import FastAPI, Request
from pipeline import build

model = build(Path(os.environ["MODEL"]))
names = list(model.feature_names_in_)
app = FastAPI()


@app.get("/ping")
async def ping() -> dict[str, Any]:
    return {}


@app.post("/invocations")
async def invocations(request: Request) -> dict[str, list[float]]:
    if request.headers["content-type"] == "text/csv":
        rows = pd.read_csv(io.BytesIO(await request.body()), header=None, names=names)
    else:
        rows = pd.DataFrame((await request.json())["instances"], columns=names)
    return {"predictions": model.predict_proba(rows)[:, 1].tolist()}
