"""A batch transform as a Dagster step: what the run sees of it."""

import dagster as dg
import pytest

from mlops_assets.resources.sagemaker.transform import PipesSageMakerTransformClient
from mlops_assets.resources.sagemaker.transform_request import TransformSpec
from mlops_assets_tests.resources.sagemaker.conftest import BUCKET, Ended, Lab
from mlops_assets_tests.resources.sagemaker.record_models import RecordModels

pytestmark = pytest.mark.integration


def test_a_transform_shows_its_predictions_and_cost_and_runs_once(
    lab: Lab, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    """Predictions that a retry pays for again; or, their output cleaned, that nobody can find."""
    client = PipesSageMakerTransformClient(lab.sagemaker, lab.objects, BUCKET, poll_interval=0.1)
    lab.objects().write("s3://lake/in/step/rows.csv", b"1\n2\n")
    spec = TransformSpec(
        name="step",
        model_name=RecordModels(lab)("step"),
        input_uri="s3://lake/in/step",
        output_uri="s3://lake/predictions/step",
    )

    @dg.asset
    def model(context: dg.AssetExecutionContext):
        return client.run_spec(context=context, spec=spec).get_materialize_result()

    first, second = (Ended(dg.materialize([model], instance=instance)) for _ in range(2))
    assert '"records": 2' in capfd.readouterr().out, "what its model server printed is in the run"
    assert (first.metadata["adopted"], second.metadata["adopted"]) == (False, True)
    assert first.metadata["predictions_uri"] == "s3://lake/predictions/step"
    assert first.metadata["transform_seconds"] > 0
    assert first.metadata["cost_usd"] >= 0
    assert lab.objects().read("s3://lake/predictions/step/rows.csv.out") == b"10\n20\n"
    assert not list(lab.objects().list("s3://lake/pipes/step"))
    lab.objects().delete_tree("s3://lake/predictions/step")
    third = Ended(dg.materialize([model], instance=instance))
    assert third.metadata["job_name"] == f"{first.metadata['job_name']}-2"
