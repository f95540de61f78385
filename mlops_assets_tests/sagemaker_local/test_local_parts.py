"""The parts that need no server: shapes, images, tokens, metrics, relocation."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets.sagemaker_local import listing, shapes
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.images import Images, relocated, repository
from mlops_assets.sagemaker_local.monitoring import metrics
from mlops_assets.sagemaker_local.protocol import service_model


@pytest.mark.parametrize(
    "image",
    [
        "mlops-assets",
        "mlops-assets:1.2",
        "000000000000.dkr.ecr.us-east-1.amazonaws.com/team/mlops-assets:1.2@sha256:ab",
        "localhost:5000/mlops-assets@sha256:ab",
    ],
)
def test_the_repository_of_an_image(image):
    """A registry's port or a digest must not hide which image it is."""
    assert repository(image) == "mlops-assets"


def test_arguments_below_opt_ml_move_with_it():
    """Where nothing can be mounted, /opt/ml/input/… in an entrypoint must still be found."""
    argv = ["python", "/opt/ml/input/data/code/train.py", "/opt/mlx", "--x=/opt/ml/model"]
    moved = relocated(argv, Path("/jobs/j/ml"))
    assert moved == ["python", "/jobs/j/ml/input/data/code/train.py", *argv[2:]]


def test_a_broken_images_file_is_named(tmp_path):
    """A comma too many in images.json."""
    (tmp_path / "images.json").write_text("{,}")
    with pytest.raises(ApiError, match=r"images\.json"):
        Images(Config(tmp_path, "s3")).command("plain", "serve")


def test_credentials_reach_containers_only_for_s3(tmp_path, monkeypatch):
    """With directories as buckets no job needs a credential, so none gets one."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    args = ("image", tmp_path, tmp_path, {}, {})
    assert "canary" in Images(Config(tmp_path, "s3")).environment(*args).values()
    assert "canary" not in Images(Config(tmp_path, "dir:/b")).environment(*args).values()


def test_the_service_wins_over_the_request(tmp_path):
    """A request's Environment must not redirect what the service sets."""
    given = {"SAGEMAKER_BASE_DIR": "/etc", "TRAINING_JOB_NAME": "other", "MINE": "1"}
    own = {"TRAINING_JOB_NAME": "job"}
    env = Images(Config(tmp_path, "dir:/b")).environment("i", tmp_path, Path("/base"), own, given)
    assert (env["SAGEMAKER_BASE_DIR"], env["TRAINING_JOB_NAME"]) == ("/base", "job")
    assert env["MINE"] == "1"


def test_every_pattern_of_the_operations_here_can_be_checked():
    """A pattern that Python cannot read would let everything through, silently."""
    model = service_model("sagemaker")
    seen: set[str] = set()
    unread: set[str] = set()

    def visit(shape):
        if shape is None or shape.name in seen:
            return
        seen.add(shape.name)
        java = shape.metadata.get("pattern")
        if java and shapes._pattern(java) is None:
            unread.add(java)
        parts = {
            "structure": lambda: shape.members.values(),
            "list": lambda: [shape.member],
            "map": lambda: [shape.key, shape.value],
        }
        for part in parts.get(shape.type_name, list)():
            visit(part)

    for name in ("CreateTrainingJob", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"):
        visit(model.operation_model(name).input_shape)
    assert unread == set()


def test_sensitive_values_are_not_repeated():
    """Fault: an error message, and so a log, that holds a secret from the request."""
    runtime = service_model("sagemaker-runtime")
    shape = runtime.operation_model("InvokeEndpoint").input_shape
    secret = "s" * 1025
    with pytest.raises(ApiError) as caught:
        shapes.check(shape, {"EndpointName": "e", "CustomAttributes": secret})
    assert "ssss" not in caught.value.message


def test_replies_have_no_member_that_boto3_does_not_know():
    """What this server keeps for itself must not leak into replies."""
    shape = service_model("sagemaker").operation_model("DescribeEndpoint").output_shape
    document = {"EndpointName": "e", "Serving": {"x": 1}, "FailureReason": None}
    assert shapes.cut(shape, document) == {"EndpointName": "e"}


def test_pages_cover_everything_once():
    documents = [{"Name": f"n{n}", "CreationTime": float(n)} for n in range(7)]
    found, token = [], None
    while True:
        request = {"MaxResults": 3} | ({"NextToken": token} if token else {})
        page, token = listing.page(
            request, documents, name="Name", sorts={"CreationTime": "CreationTime"}
        )
        found += [document["Name"] for document in page]
        if token is None:
            break
    assert found == [f"n{n}" for n in reversed(range(7))]


def test_metrics_are_the_finite_values():
    """A NaN in the last epoch must not become the metric, nor break the reply's JSON."""
    lines = [b"1000\tloss=0.5\n", b"2000\tloss=0.25 loss=nan\n", b"3000\tloss=oops\n"]
    patterns = metrics.compiled([{"Name": "loss", "Regex": r"loss=(\S+)"}])
    found = [(point["Value"], point["Timestamp"]) for point in metrics.values(patterns, lines)]
    assert found == [(0.5, 1.0), (0.25, 2.0)]
