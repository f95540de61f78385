"""Observations that are made once, however often their cause is heard of.

Here: finding an earlier one of the same key at the asset. Not here: what is observed.
"""

from collections.abc import Mapping

import dagster as dg

KEY = "event"
_LOOKED_AT = 200


def observe_once(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    key: str,
    words: str,
    shown: Mapping[str, str],
    *,
    partition: str | None = None,
) -> bool:
    """Note what was seen at an asset, outside of any run; False where that was done before."""
    found = instance.fetch_observations(asset, limit=_LOOKED_AT).records
    for record in found:
        made = record.asset_observation
        if made is not None and KEY in made.metadata and made.metadata[KEY].value == key:
            return False
    instance.report_runless_asset_event(
        dg.AssetObservation(
            asset, description=words, partition=partition, metadata={**shown, KEY: key}
        )
    )
    return True
