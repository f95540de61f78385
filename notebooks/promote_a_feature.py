# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: -jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From an idea to a pipeline
#
# Is a flight late because many others leave at the same time? This notebook reads the flights by
# their asset's name, at a version that stays what it is, tries a feature, has the platform find out
# that the first attempt looks into the future, and ends with a declared pipeline.
#
# It runs in SageMaker Studio, in JupyterLab (open it as a notebook: jupytext) and as a script,
# which is what the tests do. In Studio, `MLOPS_ENV=aws` reads the lake of the account. What is
# tried here is made in a scratch folder, never in that lake.

# %%
import dataclasses
import inspect
import sys
import tempfile
import warnings
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops_assets.definitions import build_assets, build_resources
from mlops_assets.pipeline import MLPipeline
from mlops_assets.pipelines import declared
from mlops_assets.pipelines.flight_delays import pipeline as flights
from mlops_assets.pipelines.flight_delays.schemas import FlightFeatures
from mlops_assets.reading import Assets
from mlops_assets.resources.lake.errors import TableNotFound
from mlops_assets.settings import Settings

pd.set_option("display.max_colwidth", None)  # a check's words are its point
# Dagster closes an event loop of its own inside of the notebook's, and goes on.
warnings.filterwarnings("ignore", "coroutine 'BaseEventLoop.shutdown_asyncgens'", RuntimeWarning)

MONTH = "2013-01-01"
scratch = Path(tempfile.mkdtemp(prefix="notebook-"))
trial = Settings.load(env="local", home=scratch / "home")


def run(pipeline: MLPipeline, *stations: str) -> dg.ExecuteInProcessResult:
    """Materialize stations of the month in the scratch folder, as Dagster does it anywhere.

    A station that a check stops has ended: `checks` says why. A mistake in the code is shown.
    """
    result = dg.materialize(
        build_assets(pipeline),
        selection=[dg.AssetKey([pipeline.name, station]) for station in stations],
        resources=build_resources(trial),
        partition_key=MONTH,
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    for event in result.filter_events(lambda event: event.is_step_failure):
        error = event.step_failure_data.error
        if error is not None and error.cls_name != "DagsterAssetCheckFailedError":
            print(error.to_string())
    return result


def checks(result: dg.ExecuteInProcessResult) -> pd.DataFrame:
    """What the run's asset checks say."""
    found = result.get_asset_check_evaluations()
    return pd.DataFrame(
        {"check": c.check_name, "passed": c.passed, "says": c.description} for c in found
    )


# %% [markdown]
# ## Read an asset by name, at a version
#
# `history` shows each commit; a version is read by its snapshot, or by a moment. A model package
# keeps the snapshot that it was trained on (`features_snapshot`): that is how to see, months later,
# the very rows that it saw. On a machine without flights, January is made first.

# %%
assets = Assets.open()
try:
    history = assets.history("flight_delays/features")
except TableNotFound:
    history = pd.DataFrame({"partition": []})
if MONTH not in set(history["partition"]):
    assert run(flights, "raw", "clean", "quarantine", "features").success
    assets = Assets.open(trial)
    history = assets.history("flight_delays/features")
history.tail()

# %% [markdown]
# Each row is a commit of a partition: read with its `snapshot_id`, it stays what it is whatever is
# committed later.

# %%
snapshot = int(history.loc[history["partition"] == MONTH, "snapshot_id"].iloc[-1])
known = assets.read(
    "flight_delays/features", [MONTH], snapshot=snapshot, columns=["flight_id", "origin", "late"]
)
print(f"{len(known):,} flights of {MONTH} at snapshot {snapshot}")

# %% [markdown]
# ## Try a feature
#
# How many flights are scheduled out of the same airport in the same hour?


# %%
def crowd(rows: pd.DataFrame, history: pd.DataFrame) -> pd.Series:
    """Flights scheduled out of the same airport in the same clock hour."""
    hour = rows["scheduled_at"].dt.floor("h")
    return rows.groupby([rows["origin"], hour])["flight_id"].transform("size").astype("float64")


clean = assets.read("flight_delays/clean", [MONTH])
crowds = clean[["flight_id"]].assign(crowd=crowd(clean, clean.iloc[:0]))
quarter = known.merge(crowds, on="flight_id", validate="one_to_one")
quarter["hour is"] = pd.qcut(quarter["crowd"], 4, labels=["quiet", "busy", "full", "crowded"])
quarter.groupby("hour is", observed=True).agg(
    share_late=("late", "mean"), flights=("late", "size"), at_most=("crowd", "max")
)

# %% [markdown]
# Out of a quiet hour, fewer are late: it tells something. Declared as a feature of a pipeline of
# its own, it meets the checks that every pipeline has.


# %%
class CrowdedFlights(FlightFeatures):
    """What flight_delays has, and how crowded it is."""

    crowd: float = pa.Field(ge=0)


def features(rows: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """flight_delays' features, and `crowd`."""
    return flights.features(rows, history).assign(crowd=crowd(rows, history))


candidate = dataclasses.replace(
    flights, name="flights_crowded", features=features, feature_schema=CrowdedFlights
)
assert run(candidate, "raw", "clean", "quarantine").success
leaky = checks(run(candidate, "features"))
leaky

# %% [markdown]
# `point_in_time` refuses it. Two hours before a flight at 10:05, who counts the hour from 10:00 to
# 11:00 already uses rows of flights that come after it, which the endpoint will not have. So: the
# hour that ends with the flight itself.


# %%
def crowd(rows: pd.DataFrame, history: pd.DataFrame) -> pd.Series:
    """Flights scheduled out of the same airport in the hour up to this one, itself included."""
    counted = pd.Series(0.0, index=rows.index)
    scheduled = pd.concat([history, rows]).groupby("origin")["scheduled_at"]
    for origin, own in rows.groupby("origin"):
        times = np.sort(scheduled.get_group(origin).dt.tz_localize(None).to_numpy())
        until = own["scheduled_at"].dt.tz_localize(None).to_numpy()
        since = until - np.timedelta64(1, "h")
        counted[own.index] = np.searchsorted(times, until, "right") - np.searchsorted(
            times, since, "right"
        )
    return counted


mended = checks(run(candidate, "features"))
mended

# %% [markdown]
# ## Promote it
#
# What was tried becomes a module: the functions word for word, the schema spelt once more, for of a
# class Python finds no source in a notebook. Put its folder into `mlops_assets/pipelines/`, or name
# the module in `MLOPS_PIPELINES`: Dagster then has the pipeline with all its stations, checks and
# sensors, in every environment.

# %%
MODULE = '''"""Will this flight be late? With how crowded its hour is: tried in a notebook."""

import dataclasses

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops_assets.pipelines.flight_delays import pipeline as flights
from mlops_assets.pipelines.flight_delays.schemas import FlightFeatures


class CrowdedFlights(FlightFeatures):
    """What flight_delays has, and how crowded it is."""

    crowd: float = pa.Field(ge=0)


{functions}

pipeline = dataclasses.replace(
    flights, name="flights_crowded", features=features, feature_schema=CrowdedFlights
)
'''

package = scratch / "pipelines" / "flights_crowded"
package.mkdir(parents=True)
functions = "\n\n".join(inspect.getsource(each) for each in (crowd, features))
module = MODULE.format(functions=functions)
(package / "__init__.py").write_text(module)
print(module)

# %% [markdown]
# Shown by running it: the module, loaded as `MLOPS_PIPELINES` would load it. Its clean rows are
# those of the trial, for it has the trial's name.

# %%
sys.path.insert(0, str(package.parent))
promoted = {each.name: each for each in declared(["flights_crowded"])}["flights_crowded"]
done = run(promoted, "features")
verdict = checks(done)
print(verdict.to_string(index=False))
print(f"{promoted.name}: {'ready' if done.success else 'not ready'}; its module is {package}")
