"""Which rows share their causes: the blocks of time that ``evaluation.block`` declares.

Here: from a pipeline's rows to the block of each. Not here: what is drawn by blocks (`ml.compare`,
`ml.performance.intervals`).
"""

import numpy as np
import pandas as pd

from mlops_assets.ml.compare import blocks_of_time
from mlops_assets.pipeline import MLPipeline


def event_blocks(
    pipeline: MLPipeline, rows: pd.DataFrame, column: str | None = None
) -> np.ndarray | None:
    """(n,) the block of time of each row's event; None where the pipeline declares no blocks.

    Args:
        column: holds the time of the event; by default ``pipeline.event_time``.
    """
    length, column = pipeline.evaluation.block, column or pipeline.event_time
    if length is None or column is None:
        return None
    return blocks_of_time(rows[column], length, pipeline.partitions.time_zone)
