"""The variant in which nothing changes: whatever retrains here does so without a reason."""

import dataclasses

from mlops_assets_tests.replay.parcels import MadeParcels
from mlops_assets_tests.replay.parcels import pipeline as turning

pipeline = dataclasses.replace(turning, name="parcels_steady", source=MadeParcels(turns=None))
