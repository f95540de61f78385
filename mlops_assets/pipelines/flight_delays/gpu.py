"""The variant ``gpu``: the pipeline's own trees, grown by XGBoost on a GPU.

The same script, features and gates; without a GPU, or with an XGBoost that was built without CUDA,
the script says so and trains on the CPU. Belongs here: what differs from the pipeline itself. It is
not discovered as a pipeline of its own: MLOPS_PIPELINES names it, or `mlops replay flight_delays
--variant gpu`.
"""

from dataclasses import replace

from mlops_assets.pipelines.flight_delays import pipeline as two_hours

pipeline = replace(
    two_hours,
    name="flight_delays_gpu",
    training=replace(
        two_hours.training,
        hyperparameters={**two_hours.training.hyperparameters, "device": "cuda"},
        image="cuda",
        instance_type="ml.g5.xlarge",
        alternates=("ml.g6.xlarge",),
    ),
)
