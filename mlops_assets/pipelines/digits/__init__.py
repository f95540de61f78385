"""Which digit is this handwritten image of 8 × 8 pixels?

Deep learning on a laptop's CPU, in seconds: 1,797 real images (UCI's optical recognition of
handwritten digits, shipped with scikit-learn), a small convolutional network in torch, served as
ONNX without torch. The rows stand in the order in which they were collected, and later writers
write differently: a network scores .99 on a random split and .96 on the last third.
"""

from datetime import timedelta
from pathlib import Path

from mlops_assets.ml.splitting import Expanding
from mlops_assets.ml.training_rules.stream import Exploding, LossNotDecreasing, Overfitting
from mlops_assets.ml.training_rules.trained import ClassImbalance
from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import (
    Endpoint,
    Evaluation,
    Gate,
    Label,
    MLPipeline,
    Monitors,
    Performance,
    Split,
    Training,
)
from mlops_assets.pipelines.digits.rows import clean, features
from mlops_assets.pipelines.digits.schemas import DigitFeatures, RawDigits
from mlops_assets.pipelines.digits.source import DIGITS, END, FIRST, Digits

pipeline = MLPipeline(
    name="digits",
    description=__doc__.splitlines()[0],
    owners=("team:vision",),
    partitions=Partitions(kind="daily", start=FIRST, end=END),
    source=Digits(),
    raw_schema=RawDigits,
    feature_schema=DigitFeatures,
    clean=clean,
    features=features,
    entity_key=("image",),
    event_time="scanned_at",
    label=Label(column="digit", kind="multiclass", classes=DIGITS),
    split=Split(window=Expanding()),
    training=Training(
        script=Path(__file__).parent / "train.py",
        hyperparameters={"epochs": 30, "learning_rate": 0.002, "dropout": 0.3, "seed": 7},
        metrics={
            "train:loss": r"train-loss:(\S+)",
            "holdout:loss": r"holdout-loss:(\S+)",
            "holdout:accuracy": r"holdout-accuracy:([0-9.]+)",
        },
        needs=("torch", "onnxscript"),
        rules=(
            Exploding(metric="train:loss"),
            Overfitting(train="train:loss", held_out="holdout:loss", over=10, by=0.25),
            LossNotDecreasing(metric="train:loss", over=10),
            ClassImbalance(share=0.05),
        ),
        image="torch",
        max_runtime=timedelta(minutes=15),
    ),
    baselines=("prior", "linear"),
    evaluation=Evaluation(primary="log_loss", gates=(Gate(metric="accuracy", at_least=0.9),)),
    endpoint=Endpoint(instance_type="ml.m5.large", capture_share=1.0),
    # A day has 200 images: one more wrong answer is half a point of accuracy.
    monitors=Monitors(rows=(100, 400), performance=Performance(least_rows=150, tolerance=0.05)),
)
