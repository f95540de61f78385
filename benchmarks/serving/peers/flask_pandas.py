"""Flask and pandas under gunicorn: what AWS's bring-your-own-container example does (its nginx,
one more hop, left out). gunicorn flask_pandas:app, with MODEL naming the artifact."""

import io
import os
from pathlib import Path

import flask
import pandas as pd
from pipeline import build

model = build(Path(os.environ["MODEL"]))
app = flask.Flask(__name__)


@app.get("/ping")
def ping() -> flask.Response:
    return flask.Response(response="\n", status=200, mimetype="application/json")


@app.post("/invocations")
def invocations() -> flask.Response:
    if flask.request.content_type != "text/csv":
        return flask.Response("This predictor only supports CSV data", status=415)
    text = flask.request.data.decode("utf-8")
    rows = pd.read_csv(io.StringIO(text), header=None, names=list(model.feature_names_in_))
    out = io.StringIO()
    pd.DataFrame({"results": model.predict_proba(rows)[:, 1]}).to_csv(
        out, header=False, index=False
    )
    return flask.Response(out.getvalue(), mimetype="text/csv")
