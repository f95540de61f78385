"""Where the job of a data station on Spark runs, and what has to be there for it.

Here: questions to the declaration and to the world that it runs in. Not here: what is asked of the
place (`assets.spark`).
"""

from mlops_assets.engines import EMRServerless, Spark
from mlops_assets.pipeline import DeclarationError, MLPipeline


def engine_of(pipeline: MLPipeline) -> Spark:
    """Raises TypeError for a pipeline whose data stations do not run on Spark."""
    engine = pipeline.engine
    if not isinstance(engine, Spark):
        raise TypeError(f"{pipeline.name} has the engine {engine!r}, not Spark(…)")
    return engine


def pool(pipeline: MLPipeline) -> str | None:
    """The pool of data stations that are jobs; None where they are not."""
    if not isinstance(pipeline.engine, Spark):
        return None
    return "sagemaker_processing" if pipeline.engine.runs_on == "processing" else "emr_serverless"


def workers_of(pipeline: MLPipeline, *, local: bool, there: bool) -> EMRServerless | None:
    """Of a job on EMR Serverless its workers; None of a Processing job, as which it runs on this
    machine too, unless there is an application.

    Raises:
        DeclarationError: the settings name no application, and this is AWS.
    """
    runs_on = engine_of(pipeline).runs_on
    if runs_on == "processing" or (local and not there):
        return None
    if not there:
        raise DeclarationError(
            "engine.runs_on",
            "is EMR Serverless, and MLOPS_EMR_APPLICATION_ID and MLOPS_EMR_ROLE_ARN are not set",
            "Deploy the stack `spark`, and `iam` again (deploy/README.md), or declare "
            "runs_on='processing'",
        )
    return runs_on


def require_image(pipeline: MLPipeline, *, local: bool) -> None:
    """Raises DeclarationError where a Processing job in AWS would start in an image without Spark;
    on EMR Serverless the application has the image."""
    engine = pipeline.engine
    if local or not isinstance(engine, Spark) or engine.runs_on != "processing":
        return
    if not engine.image_uri:
        raise DeclarationError(
            "engine.image_uri",
            "is not set, and the platform's image has neither pyspark nor Java",
            "Name one with Java 17 and pyspark (target `spark` of deploy/docker/Dockerfile)",
        )
