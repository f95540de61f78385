"""Rules of CreateAutoMLJobV2 that botocore's description does not state.

Belongs here: the service's rules between members, and what this machine does not do, refused by
name. Does not belong here: what the data is like (data_look.py).
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.automl.candidates import ALGORITHMS, METRICS
from mlops_assets.sagemaker_local.errors import invalid, unsupported
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.store import Document

_CSV = "text/csv;header=present"
_MODES = ("AUTO", "HYPERPARAMETER_TUNING")


def check_automl_job(request: Document) -> None:
    """Raise what the service would, or a clear refusal of what cannot be done here."""
    problems = request["AutoMLProblemTypeConfig"]
    if len(problems) != 1:
        raise invalid(
            f"AutoMLProblemTypeConfig must have exactly one member, not {len(problems)}: "
            f"{', '.join(problems)}"
        )
    if "TabularJobConfig" not in problems:
        raise unsupported(next(iter(problems)), "its AutoML jobs are for TabularJobConfig")
    _channels(request)
    s3_uri("OutputDataConfig.S3OutputPath", request["OutputDataConfig"]["S3OutputPath"])
    _tabular(problems["TabularJobConfig"])
    _objective(request, problems["TabularJobConfig"])
    fraction = request.get("DataSplitConfig", {}).get("ValidationFraction")
    if fraction is not None and not 0 < fraction < 1:
        raise invalid(f"ValidationFraction {fraction} must be greater than 0 and less than 1")
    if fraction is not None and len(request["AutoMLJobInputDataConfig"]) > 1:
        raise invalid("ValidationFraction is given, but there is a validation channel already")
    for member, remedy in {
        "ModelDeployConfig": "create an endpoint of the best candidate's InferenceContainers",
        "AutoMLComputeConfig": "leave it out",
    }.items():
        if member in request:
            raise unsupported(member, remedy)


def _channels(request: Document) -> None:
    kinds = []
    for channel in request["AutoMLJobInputDataConfig"]:
        kind = channel.get("ChannelType", "training")
        kinds.append(kind)
        source = channel.get("DataSource", {}).get("S3DataSource")
        if source is None:
            raise invalid(f"the {kind} channel needs a DataSource.S3DataSource")
        s3_uri(f"the {kind} channel", source["S3Uri"])
        if source["S3DataType"] != "S3Prefix":
            raise unsupported(f"S3DataType {source['S3DataType']}", "use S3Prefix")
        if channel.get("ContentType", _CSV).replace(" ", "") != _CSV:
            raise unsupported(f"ContentType {channel['ContentType']}", f"use {_CSV}")
    if sorted(kinds) not in (["training"], ["training", "validation"]):
        raise invalid(f"one training channel and at most one validation channel, not {kinds}")


def _tabular(config: Document) -> None:
    if config.get("Mode", "AUTO") not in _MODES:
        raise unsupported(f"Mode {config['Mode']}", "use HYPERPARAMETER_TUNING or AUTO")
    for member, remedy in {
        "FeatureSpecificationS3Uri": "leave the columns out of the data",
        "SampleWeightAttributeName": "it is for the mode ENSEMBLING only",
    }.items():
        if member in config:
            raise unsupported(member, remedy)
    if config.get("GenerateCandidateDefinitionsOnly"):
        raise unsupported("GenerateCandidateDefinitionsOnly", "let the candidates be trained")
    for one in config.get("CandidateGenerationConfig", {}).get("AlgorithmsConfig", []):
        names = one["AutoMLAlgorithms"]
        if not names or len(set(names)) != len(names):
            raise invalid(f"AutoMLAlgorithms must name at least one algorithm, each once: {names}")
        if unknown := sorted(set(names) - set(ALGORITHMS)):
            raise unsupported(f"AutoMLAlgorithms {', '.join(unknown)}", f"use {[*ALGORITHMS]}")


def _objective(request: Document, config: Document) -> None:
    problem, given = config.get("ProblemType"), request.get("AutoMLJobObjective")
    if (problem is None) != (given is None):
        raise invalid(
            "You must either specify both ProblemType and AutoMLJobObjective, or none of them"
        )
    if problem is not None and given is not None and given["MetricName"] not in METRICS[problem]:
        raise invalid(
            f"The objective metric {given['MetricName']} is not one of {problem}: "
            f"{', '.join(METRICS[problem])}"
        )
