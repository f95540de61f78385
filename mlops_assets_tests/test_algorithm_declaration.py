"""`Training(algorithm=…)`: what can be declared, and what would only fail once it costs money."""

import dataclasses
import re
from pathlib import Path

import pytest

from mlops_assets.aws_images import AwsImage
from mlops_assets.pipeline import DeclarationError, Label, Training
from mlops_assets.resources.sagemaker.image_names import aws_image_uri
from mlops_assets.resources.sagemaker.requests import Placement

TOLD = {"num_round": 10, "eval_metric": "logloss,auc"}


def test_its_metrics_are_read_from_its_own_log():
    training = Training(algorithm="xgboost", hyperparameters=TOLD)
    line = "[0]#011train-logloss:0.62#011train-auc:0.7#011validation-logloss:6.1e-1#011..."
    pattern = training.metrics["validation:logloss"]
    assert re.search(pattern, line)[1] == "6.1e-1"
    assert set(training.metrics) == {
        "train:logloss", "train:auc", "validation:logloss", "validation:auc"
    }  # fmt: skip
    # What is derived does not stand in the way of a change.
    assert dataclasses.replace(training, use_spot=True).metrics == training.metrics


def test_it_is_told_what_kind_of_answer_is_wanted():
    """Without an objective the algorithm predicts numbers, some of them above 1."""
    training = Training(algorithm="xgboost", hyperparameters=TOLD)
    many = Label(column="kind", kind="multiclass", classes=("a", "b", "c"))
    assert training.told(many) == {"objective": "multi:softprob", "num_class": 3, **TOLD}
    script = Training(script=Path(__file__), hyperparameters={"depth": 3})
    assert script.told(many) == {"label": "kind", "depth": 3}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"algorithm": None}, "exactly one of script and algorithm"),
        ({"script": Path(__file__)}, "exactly one of script and algorithm"),
        ({"algorithm": "linear-learner"}, "none whose models"),
        ({"algorithm": "xgboost:1.7-1"}, "none whose models"),
        ({"image": "my/image:1"}, "training.image"),
        ({"metrics": {"auc": "auc=(.*)"}}, "training.metrics"),
        ({"instance_count": 2}, "training.instance_count"),
        ({"hyperparameters": {"num_round": 10}}, "eval_metric"),
        ({"hyperparameters": {"eval_metric": "auc"}}, "num_round"),
        ({"hyperparameters": {**TOLD, "early_stopping_rounds": 5}}, "the gates judge on"),
    ],
)
def test_what_cannot_be_trained_or_served_is_refused_at_once(changed, said):
    with pytest.raises(DeclarationError, match=said):
        Training(**{"algorithm": "xgboost", "hyperparameters": TOLD, **changed})


def test_the_platforms_images_are_settings():
    """A pipeline that needs torch must not be sent to an image without it."""
    placement = Placement(image_uri="plain:1", torch_image_uri="plain:1-torch", cuda_image_uri="")
    assert placement.image(None, "ml.m5.large") == "plain:1"
    assert placement.image("torch", "ml.m5.large") == "plain:1-torch"
    assert placement.image("my/image:2", "ml.m5.large") == "my/image:2"
    with pytest.raises(ValueError, match="MLOPS_CUDA_IMAGE_URI is not set"):
        placement.image("cuda", "ml.g5.xlarge")


@pytest.mark.integration
def test_aws_images_are_found_by_name():
    """The table is the SDK's: when it drops a version, this says so before a job does."""
    found = Training(algorithm="xgboost", hyperparameters=TOLD).from_aws
    uri = aws_image_uri(found, "eu-central-1", "ml.m5.xlarge")
    assert re.fullmatch(r"\d{12}\.dkr\.ecr\.eu-central-1\.amazonaws\.com/sagemaker-xgboost:.*", uri)
    torch = AwsImage(framework="pytorch", version="2.10.0", python="py313")
    assert "-gpu-" in aws_image_uri(torch, "us-east-1", "ml.g5.xlarge")
    assert "-cpu-" in aws_image_uri(torch, "us-east-1", "ml.m5.xlarge")
    with pytest.raises(ValueError, match=r"0\.1-0"):
        aws_image_uri(AwsImage(framework="xgboost", version="0.1-0"), "us-east-1", "ml.m5.large")
