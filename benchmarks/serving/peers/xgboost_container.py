"""A replica of SageMaker's XGBoost container in algorithm mode: Flask under gunicorn, CSV of
encoded values → DMatrix → predict, in the steps of its serve.py and encoder.py (delimiter sniffed,
strings to an array, array to numbers). gunicorn xgboost_container:app, with MODEL naming the
booster."""

import csv
import os

import flask
import numpy as np
import xgboost

booster = xgboost.Booster(model_file=os.environ["MODEL"])
booster.set_param("nthread", 1)
app = flask.Flask(__name__)


def to_matrix(text: str) -> xgboost.DMatrix:
    lines = text.split("\n")
    found = csv.Sniffer().sniff(lines[0][:512]).delimiter
    delimiter = "," if found.isalnum() else found
    rows = [[field or "nan" for field in line.split(delimiter)] for line in lines]
    return xgboost.DMatrix(np.array(rows).astype(float))


@app.get("/ping")
def ping() -> flask.Response:
    return flask.Response(status=200)


@app.post("/invocations")
def invocations() -> flask.Response:
    matrix = to_matrix(flask.request.data.strip().decode("utf-8"))
    answers = booster.predict(matrix, validate_features=False)
    return flask.Response(",".join(map(str, answers.tolist())), mimetype="text/csv")
