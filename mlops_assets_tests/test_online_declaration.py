"""What `Endpoint(online=…)` refuses when it is declared, instead of when a caller asks."""

import dataclasses

import pandera.pandas as pa
import pytest

from mlops_assets.pipeline import DeclarationError, Endpoint, Online
from mlops_assets_tests import deliveries
from mlops_assets_tests.parcels_online import declare


class Odd(deliveries.ParcelFeatures):
    """Features with names and types that something is wrong with."""

    weights: float
    odd_name: float = pa.Field(alias="odd name")
    event_time: float


def redeclare(*columns: str, **changes: object) -> None:
    online = Endpoint(online=Online(columns=columns or ("recent_late",)))
    dataclasses.replace(declare(), endpoint=online, **changes)


def test_features_may_be_read_online():
    redeclare("recent_late", "weight", "depot")


@pytest.mark.parametrize(
    ("columns", "changes", "message"),
    [
        (("lateness",), {}, r"columns: 'lateness' is not a feature\. The features are depot"),
        (("late",), {}, "columns: 'late' is not a feature"),
        (("parcel",), {}, "columns: 'parcel' is not a feature"),
        (("odd name",), {"feature_schema": Odd}, "'odd name' is no name for a feature"),
        (("event_time",), {"feature_schema": Odd}, "'event_time' is no name for a feature"),
        ((), {"entity_key": ("weight",)}, "entity key 'weight' is of type float64"),
        ((), {"entity_key": ("promised_at",)}, "entity key 'promised_at' is of type datetime64"),
        ((), {"known_at": {"delivered_at": ("parcel",)}}, "'parcel' becomes known after the event"),
    ],
)
def test_what_cannot_work_is_said_when_it_is_declared(columns, changes, message):
    with pytest.raises(DeclarationError, match=f"endpoint.online.*{message}"):
        redeclare(*columns, **changes)


def test_more_names_than_the_container_can_be_told():
    """SageMaker refuses a longer variable, but only when the model is made, after training."""
    many = [f"a_feature_with_a_long_name_{number:03}" for number in range(40)]
    types = {"__annotations__": dict.fromkeys(many, float)}
    schema = type("Wide", (deliveries.ParcelFeatures,), types)
    with pytest.raises(DeclarationError, match="the 40 names take 1329 characters"):
        redeclare(*many, feature_schema=schema)
    redeclare(*many[:25], feature_schema=schema)
