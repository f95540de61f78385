"""Rows of an AutoML job: CSV read, columns told apart, the feature spec, the check rows.

Belongs here: what a candidate makes of a table before it learns from it. Does not belong here:
learning (learners.py), measuring (scores.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.spec import CategoryColumn, Column, FeatureSpec, Kind, NumberColumn

CHECK_ROWS = 1_200
MAX_WORDS = 50  # of a category; the others are unknown ones
_DAMAGE = 0.1  # share of the values of a damaged row that are missing, and again that are unseen
_UNSEEN = "never seen in training"
KINDS: dict[str, Kind] = {
    "BinaryClassification": "binary",
    "MulticlassClassification": "multiclass",
    "Regression": "regression",
}


class UnfitData(Exception):
    """The data cannot be learned from; the message becomes the job's FailureReason."""


@dataclass(frozen=True)
class Task:
    """What is to be predicted: the column, the kind of model, and the classes' names in order."""

    label: str
    problem: str
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, label: str, problem: str, labels: pd.Series) -> Task:
        """The task of these labels. Raises UnfitData where they do not fit the problem."""
        if problem == "Regression":
            return cls(label, problem)
        classes = tuple(sorted(labels.unique()))
        fits = len(classes) == 2 if problem == "BinaryClassification" else len(classes) >= 3
        if not fits:
            raise UnfitData(
                f"{problem} does not fit the {len(classes)} different values of {label!r}: "
                f"{', '.join(classes[:5])}"
            )
        return cls(label, problem, classes)

    def targets(self, labels: pd.Series) -> np.ndarray:
        """(n,) of class numbers, or of values. Raises UnfitData for what is neither."""
        if self.problem == "Regression":
            values = pd.to_numeric(labels, errors="coerce").to_numpy(dtype=np.float64)
            if not np.isfinite(values).all():
                raise UnfitData(f"{self.label!r} holds what is no number: Regression wants numbers")
            return values
        known = {name: number for number, name in enumerate(self.classes)}
        if unknown := sorted(set(labels) - set(known)):
            raise UnfitData(f"{self.label!r} has classes that training has not: {unknown[:5]}")
        return labels.map(known).to_numpy(dtype=np.int64)


def read(directory: Path, label: str) -> tuple[pd.DataFrame, pd.Series]:
    """All CSV files of a channel with a header: features and labels; rows without one are left out.

    Raises UnfitData without rows or without the label's column.
    """
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    if not files:
        raise UnfitData(f"the channel {directory.name} holds no file")
    as_text = {label: "str"}
    parts = [
        pd.read_csv(file, dtype=as_text, compression="gzip" if _is_gzip(file) else None)
        for file in files
    ]
    rows = pd.concat(parts, ignore_index=True)
    if label not in rows:
        raise UnfitData(f"no column is named {label!r}: there are {', '.join(map(str, rows))}")
    rows = rows[rows[label].notna() & (rows[label] != "")].reset_index(drop=True)
    if rows.empty:
        raise UnfitData(f"no row of the channel {directory.name} has a {label!r}")
    return rows.drop(columns=label), rows[label].str.strip()


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def split(targets: np.ndarray, share: float, *, by_class: bool, seed: int) -> np.ndarray:
    """A mask of the rows that are held out, the same for every candidate of a job.

    Raises UnfitData when a class would be missing on one of the two sides.
    """
    random = np.random.default_rng(seed)
    held = np.zeros(len(targets), dtype=bool)
    groups = np.unique(targets) if by_class else [None]
    for group in groups:
        members = np.flatnonzero(targets == group) if by_class else np.arange(len(targets))
        count = max(1, round(share * len(members)))
        if count >= len(members):
            raise UnfitData(
                f"{len(members)} rows are too few to hold {share:g} of them out for validation"
            )
        held[random.permutation(members)[:count]] = True
    return held


def feature_spec(rows: pd.DataFrame, task: Task, *, scaled: bool) -> FeatureSpec:
    """How raw columns become numbers; ``scaled`` fills gaps and standardizes, for all but trees.

    Columns without two different values are left out. Raises UnfitData when none is left.
    """
    columns: list[Column] = []
    for name in map(str, rows):
        values = rows[name].dropna()
        if values.nunique() < 2:
            continue
        if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
            words = values.astype("str").loc[lambda texts: texts != ""]
            frequent = words.value_counts().sort_index(kind="stable").nlargest(MAX_WORDS).index
            vocabulary = tuple(sorted(frequent))
            columns.append(CategoryColumn(name, "one_hot", vocabulary, "zero", "zero"))
        elif scaled:
            mean, scale = float(values.mean()), float(values.std()) or 1.0
            columns.append(NumberColumn(name, float(values.median()), mean, scale))
        else:
            columns.append(NumberColumn(name))
    if not columns:
        raise UnfitData("no column has two different values: there is nothing to learn from")
    classes = task.classes or None
    return FeatureSpec(KINDS[task.problem], task.label, tuple(columns), classes)


def encoded(rows: pd.DataFrame, spec: FeatureSpec) -> np.ndarray:
    """(rows, spec.width) of float32, as the artifact encodes them when it serves."""
    return Encoder(spec).encode({name: values.tolist() for name, values in raw(rows, spec).items()})


def raw(rows: pd.DataFrame, spec: FeatureSpec) -> pd.DataFrame:
    """The spec's columns as the artifact takes them: numbers and texts, gaps as NaN and None."""
    found = {}
    for column in spec.columns:
        values = rows[column.name]
        if isinstance(column, NumberColumn):
            found[column.name] = pd.to_numeric(values, errors="coerce").astype("float64")
        else:
            texts = values.astype("str").where(values.notna(), None)
            found[column.name] = texts.astype("object").where(values.notna(), None)
    return pd.DataFrame(found)


def check_rows(rows: pd.DataFrame, spec: FeatureSpec, seed: int) -> pd.DataFrame:
    """CHECK_ROWS raw rows spread over ``rows``, every second one damaged on purpose."""
    spread = np.linspace(0, len(rows) - 1, CHECK_ROWS).round().astype(int)
    checked = raw(rows, spec).iloc[spread].reset_index(drop=True)
    damaged = np.arange(CHECK_ROWS) % 2 == 1
    random = np.random.default_rng(seed)
    for column in spec.columns:
        chance = random.random(CHECK_ROWS)
        missing = damaged & (chance < _DAMAGE)
        if isinstance(column, NumberColumn):
            checked[column.name] = checked[column.name].mask(missing)
        else:
            unseen = damaged & (chance >= _DAMAGE) & (chance < 2 * _DAMAGE)
            texts = checked[column.name].astype("object").mask(unseen, _UNSEEN)
            checked[column.name] = texts.where(~missing, None)
    return checked
