"""Processing jobs: what whoever runs Dagster may ask of SageMaker for assets that are such jobs.

Here: those, isolated or Spark's, and what holds every job. Not here: what a job itself may do
(`container`), Spark elsewhere (`spark`).
"""

from __future__ import annotations

from dataclasses import replace

from mlops_assets.permissions import jobs
from mlops_assets.permissions.statement import Statement, sagemaker

PROCESSING = (
    Statement(
        sid="Processing",
        actions=(
            "sagemaker:AddTags",
            "sagemaker:DescribeProcessingJob",
            "sagemaker:ListTags",
            "sagemaker:StopProcessingJob",
        ),
        resources=sagemaker("processing-job/{job}-*"),
        because="Assets that run as processing jobs.",
        needs="processing",
    ),
    Statement(
        sid="IsolatedProcessing",
        actions=("sagemaker:CreateProcessingJob",),
        resources=sagemaker("processing-job/{job}-*"),
        because="Data leaves no container of theirs by the network.",
        condition={"Bool": {"sagemaker:NetworkIsolation": "true"}},
        needs="processing",
    ),
    Statement(
        sid="SparkProcessing",
        actions=("sagemaker:CreateProcessingJob",),
        resources=sagemaker(
            "processing-job/{job}-clean-spark-*", "processing-job/{job}-features-spark-*"
        ),
        because="The engine is Spark: these reach the lake themselves, so their containers are not "
        "isolated; all else holds them.",
        needs="spark",
    ),
    *(replace(each, needs="processing") for each in jobs.HELD),
)
