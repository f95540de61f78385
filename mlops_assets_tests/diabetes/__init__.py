"""A second, tiny pipeline (static partition, regression, CSV file): nothing is about flights.

442 patients of scikit-learn's diabetes data set (Efron et al., "Least Angle Regression", 2004):
ten measurements, and how far the disease had progressed a year later.
"""

from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from mlops_assets.partitions import Partitions
from mlops_assets.pipeline import (
    Evaluation,
    Gate,
    Label,
    MLPipeline,
    Monitors,
    Split,
    Training,
)
from mlops_assets.resources.sources import FileSource

MEASUREMENTS = ("age", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


class RawPatients(pa.DataFrameModel):
    patient: int = pa.Field(ge=0, unique=True)
    sex: str = pa.Field(isin=["A", "B"])
    age: float
    bmi: float
    bp: float
    s1: float
    s2: float
    s3: float
    s4: float
    s5: float
    s6: float
    target: float = pa.Field(ge=0)


class PatientFeatures(RawPatients):
    """Nothing is derived: the measurements are the features."""


def clean(df: pd.DataFrame) -> pd.DataFrame:
    return df


def features(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    return df


def write_csv(directory: Path) -> Path:
    """The data set as a CSV file, as a user would have it."""
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame["sex"] = frame["sex"].map({1.0: "A", 2.0: "B"})
    frame.insert(0, "patient", range(len(frame)))
    directory.mkdir(parents=True, exist_ok=True)
    frame.to_csv(directory / "patients.csv", index=False)
    return directory / "patients.csv"


def declare(location: Path | str, *, name: str = "diabetes") -> MLPipeline:
    """The pipeline over the CSV files in a directory or below an ``s3://`` prefix."""
    return MLPipeline(
        name=name,
        description="How far will the disease progress in a year?",
        owners=("team:tests",),
        partitions=Partitions(kind="static"),
        source=FileSource(str(location), "*.csv"),
        raw_schema=RawPatients,
        feature_schema=PatientFeatures,
        clean=clean,
        features=features,
        entity_key=("patient",),
        label=Label(column="target", kind="regression"),
        split=Split(holdout_share=0.25),
        training=Training(
            script=Path(__file__).parent / "train.py",
            hyperparameters={"num_boost_round": 60, "max_depth": 2, "learning_rate": 0.1},
            metrics={
                "train:rmse": r"train-rmse:([0-9.]+)",
                "holdout:rmse": r"holdout-rmse:([0-9.]+)",
            },
        ),
        baselines=("mean",),
        evaluation=Evaluation(
            primary="rmse", gates=(Gate(metric="rmse", at_most=65),), slices=("sex",), slice_rows=20
        ),
        monitors=Monitors(quarantine_share=0.05),
    )
