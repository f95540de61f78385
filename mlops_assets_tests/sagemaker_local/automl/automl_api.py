"""AutoML requests of one's own against a local API, and a table that can be learned from."""

from __future__ import annotations

import random
import time
from typing import Any

from mlops_assets_tests.sagemaker_local.api import ROLE, LocalApi, eventually

OVER = ("Completed", "Failed", "Stopped")


def table(count: int = 300) -> bytes:
    """CSV: `late` follows from the distance and the carrier, but for one row in ten."""
    draw = random.Random(1)
    lines = ["distance,carrier,late"]
    for _ in range(count):
        distance, carrier = draw.randint(100, 3000), draw.choice(["AA", "UA", "B6"])
        late = (distance > 1500) != (carrier == "B6")
        late = late if draw.random() < 0.9 else not late
        lines.append(f"{distance},{carrier},{int(late)}")
    return "\n".join(lines).encode()


def request(api: LocalApi, name: str, data: bytes | None = None, **tabular: Any) -> dict[str, Any]:
    """CreateAutoMLJobV2 of two candidates for `late`, of two algorithms."""
    api.objects.write(f"s3://data/{name}/part.csv", table() if data is None else data)
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{name}/"}
    return {
        "AutoMLJobName": name,
        "AutoMLJobInputDataConfig": [{"DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://out/automl"},
        "AutoMLProblemTypeConfig": {
            "TabularJobConfig": {
                "TargetAttributeName": "late",
                "CompletionCriteria": {"MaxCandidates": 2},
            }
            | tabular
        },
        "RoleArn": ROLE,
    }


def describe(api: LocalApi, name: str) -> dict[str, Any]:
    return api.sm.describe_auto_ml_job_v2(AutoMLJobName=name)


def over(api: LocalApi, name: str) -> dict[str, Any]:
    """The description of an AutoML job once it has ended."""

    def ended() -> dict[str, Any] | None:
        time.sleep(0.2)  # the candidates need the processor, too
        found = describe(api, name)
        return found if found["AutoMLJobStatus"] in OVER else None

    return eventually(ended, within=120)


def candidates(api: LocalApi, name: str, **more: Any) -> list[dict[str, Any]]:
    return api.sm.list_candidates_for_auto_ml_job(AutoMLJobName=name, **more)["Candidates"]


def value(candidate: dict[str, Any]) -> float:
    """The objective of a candidate."""
    return candidate["FinalAutoMLJobObjectiveMetric"]["Value"]
