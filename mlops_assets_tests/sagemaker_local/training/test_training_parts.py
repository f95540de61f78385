"""The parts of training jobs that need no server: images, seconds, checkpoints."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest

from mlops_assets.objects import DirectoryObjects
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.images import Images
from mlops_assets.sagemaker_local.layout import Layout
from mlops_assets.sagemaker_local.training.checkpoints import Checkpoints
from mlops_assets.sagemaker_local.training.progress import spot_share, times, training_seconds

TOOLKIT = [sys.executable, "-m", "mlops_assets.containers", "train"]


@pytest.mark.parametrize(
    ("image", "command"),
    [
        ("mlops-assets:1", TOOLKIT),
        ("me/aliased:3", TOOLKIT),
        (
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8-gpu",
            [*TOOLKIT, "--unsealed"],
        ),
        (
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3",
            [*TOOLKIT, "--unsealed"],
        ),
        (
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0",
            [*TOOLKIT[:2], "mlops_assets.containers.algorithms.xgboost"],
        ),
    ],
)
def test_framework_images_train_by_the_toolkits_contract(tmp_path, image, command):
    """An Estimator's script must not need another image only because it runs here; and what AWS's
    images leave undone is left undone, or it would be missed in AWS only."""
    (tmp_path / "images.json").write_text(json.dumps({"aliased": {"train": "mlops-assets"}}))
    images = Images(Config(tmp_path, "dir:/b"))
    assert images.command(image, "train") == command
    assert "PYTHONPATH" in images.environment(image, tmp_path, tmp_path, {}, {})


def test_a_mapped_image_wins_over_what_is_known_of_it(tmp_path):
    """Who has the real image's program on the machine must be able to use it."""
    own = {"pytorch-training": {"train": ["my-train", "--fast"]}}
    (tmp_path / "images.json").write_text(json.dumps(own))
    images = Images(Config(tmp_path, "dir:/b"))
    assert images.command("a/pytorch-training:2", "train") == ["my-train", "--fast"]
    with pytest.raises(ApiError, match="No command stands for 'serve'"):
        images.command("a/pytorch-training:2", "serve")
    assert "PYTHONPATH" not in images.environment("other", tmp_path, tmp_path, {}, {})


def test_hosts_of_one_job_share_the_cores(tmp_path):
    """Four hosts with a thread a core each would starve each other."""
    images = Images(Config(tmp_path, "dir:/b"))
    env = images.environment("i", tmp_path, tmp_path, {}, {}, hosts=10_000)
    assert env["OMP_NUM_THREADS"] == "1"


def steps(*statuses: tuple[str, float], spot: bool = False) -> dict:
    return {
        "EnableManagedSpotTraining": spot,
        "SecondaryStatusTransitions": [
            {"Status": status, "StartTime": start} for status, start in statuses
        ],
    }


@pytest.mark.parametrize(
    ("way", "until", "seconds"),
    [
        ([("Starting", 0.0)], 50.0, 0.0),
        ([("Starting", 0.0), ("Downloading", 10.0), ("Training", 12.0)], 50.0, 40.0),
        (
            [
                *(("Starting", 0.0), ("Downloading", 10.0), ("Training", 12.0)),
                *(("Interrupted", 20.0), ("Starting", 25.0), ("Downloading", 100.0)),
            ],
            110.0,
            15.0 + 10.0,
        ),
        ([("Starting", 0.0), ("Training", 1.0), ("Stopping", 4.0), ("Stopped", 5.0)], 99.0, 4.0),
    ],
)
def test_waits_for_capacity_are_no_training_time(way, until, seconds):
    """A wait of hours for spot capacity must be billed to nobody."""
    assert training_seconds(steps(*way), until) == seconds


def test_spot_training_is_billed_at_a_share():
    """The savings that the service reports: 1 - billable / training."""
    way = [("Starting", 0.0), ("Downloading", 0.0), ("Training", 0.0)]
    assert times(steps(*way), 100.0) == {
        "TrainingTimeInSeconds": 100,
        "BillableTimeInSeconds": 100,
    }
    found = times(steps(*way, spot=True), 100.0)
    assert found["BillableTimeInSeconds"] == round(100 * spot_share())


def test_checkpoints_of_several_hosts_are_one_folder(tmp_path):
    """Each rank keeps its own shard of an optimizer's state: none may be lost to another host."""
    objects = DirectoryObjects(tmp_path / "buckets")
    objects.write("s3://kept/c/rank-1", b"old")
    layouts = [Layout(tmp_path / host) for host in ("algo-1", "algo-2")]
    request = {"CheckpointConfig": {"S3Uri": "s3://kept/c"}}
    checkpoints = Checkpoints(request, layouts, objects)
    checkpoints.restore()
    first, second = (layout.checkpoints for layout in layouts)
    assert (first / "rank-1").read_bytes() == (second / "rank-1").read_bytes() == b"old"
    (first / "rank-0").write_bytes(b"zero")
    (second / "rank-1").write_bytes(b"new")
    os.utime(second / "rank-1", (2e9, 2e9))
    checkpoints.mirror()
    kept = {info.uri: objects.read(info.uri) for info in objects.list("s3://kept/c")}
    assert kept == {"s3://kept/c/rank-0": b"zero", "s3://kept/c/rank-1": b"new"}
    (first / "rank-1").unlink()
    (second / "rank-1").unlink()
    checkpoints.mirror()
    assert [info.uri for info in objects.list("s3://kept/c")] == ["s3://kept/c/rank-0"]


def test_unchanged_checkpoints_are_not_sent_again(tmp_path):
    """A large checkpoint that is uploaded every ten seconds is a training that waits for S3."""
    objects = DirectoryObjects(tmp_path / "buckets")
    layout = Layout(tmp_path / "algo-1")
    checkpoints = Checkpoints({"CheckpointConfig": {"S3Uri": "s3://kept/c"}}, [layout], objects)
    checkpoints.restore()
    (layout.checkpoints / "epoch").write_text("1")
    checkpoints.mirror()
    objects.delete("s3://kept/c/epoch")
    checkpoints.mirror()
    assert not objects.exists("s3://kept/c/epoch")
    (layout.checkpoints / "epoch").write_text("10")
    checkpoints.mirror()
    assert objects.read("s3://kept/c/epoch") == b"10"


@pytest.mark.parametrize(("closed", "left"), [(True, True), (False, False)])
def test_the_end_of_a_job_deletes_no_checkpoint(tmp_path, closed, left):
    """A mirroring that is on its way while the job's folders are removed; and, as the control, what
    it makes of folders that vanish before it was told."""
    objects = DirectoryObjects(tmp_path / "buckets")
    layout = Layout(tmp_path / "algo-1")
    checkpoints = Checkpoints({"CheckpointConfig": {"S3Uri": "s3://kept/c"}}, [layout], objects)
    checkpoints.restore()
    (layout.checkpoints / "epoch").write_text("1")
    checkpoints.mirror()
    if closed:
        checkpoints.close()
    shutil.rmtree(layout.base)
    checkpoints.mirror()
    assert objects.exists("s3://kept/c/epoch") == left


@pytest.mark.parametrize("path", ["/tmp/x", "/opt/ml/../x", "relative", "/opt/mlx"])  # noqa: S108
def test_a_path_outside_opt_ml_is_nowhere(tmp_path, path):
    with pytest.raises(ValueError, match="not below"):
        Layout(tmp_path).inside(path)
