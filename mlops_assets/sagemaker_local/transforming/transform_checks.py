"""Rules of CreateTransformJob that botocore's description does not state.

Belongs here: the service's own limits between members, and what this machine does not do. Does not
belong here: what the members mean (transform_records.py).
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.errors import invalid, unsupported
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.store import Document
from mlops_assets.sagemaker_local.transforming.record_paths import record_path
from mlops_assets.sagemaker_local.transforming.transform_records import MAX_PAYLOAD_MB, kind_of

_REFUSED = {"DataCaptureConfig": "leave it out", "ExperimentConfig": "leave it out"}


def check_transform_job(request: Document) -> None:
    """Raise what the service would, or a clear refusal of what cannot be done here."""
    for member, remedy in _REFUSED.items():
        if member in request:
            raise unsupported(member, remedy)
    if "ModelName" not in request:
        raise invalid("ModelName is required")
    source, output = request["TransformInput"], request["TransformOutput"]
    objects = source["DataSource"]["S3DataSource"]
    if objects["S3DataType"] != "S3Prefix":
        raise unsupported(f"S3DataType {objects['S3DataType']}", "use S3Prefix")
    s3_uri("TransformInput.DataSource.S3DataSource.S3Uri", objects["S3Uri"])
    s3_uri("TransformOutput.S3OutputPath", output["S3OutputPath"])
    if source.get("CompressionType", "None") != "None":
        raise unsupported(f"CompressionType {source['CompressionType']}", "decompress the objects")
    split = source.get("SplitType", "None")
    if split not in ("None", "Line"):
        raise unsupported(f"SplitType {split}", "use Line or None")
    if "BatchStrategy" in request and split == "None":
        raise invalid("To use BatchStrategy, SplitType must not be None")
    payload, workers = request.get("MaxPayloadInMB", 1), request.get("MaxConcurrentTransforms", 1)
    if payload > MAX_PAYLOAD_MB or payload * workers > MAX_PAYLOAD_MB:
        raise invalid(
            f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {MAX_PAYLOAD_MB} MB, not "
            f"{workers} * {payload}"
        )
    if request.get("DataProcessing"):
        _check_processing(request, split)


def _check_processing(request: Document, split: str) -> None:
    source, output = request["TransformInput"], request["TransformOutput"]
    processing = request["DataProcessing"]
    for member in ("InputFilter", "OutputFilter"):
        try:
            record_path(processing.get(member, "$"))
        except ValueError as error:
            raise invalid(f"DataProcessing.{member}: {error}") from error
    kind = kind_of(source.get("ContentType", ""))
    if not kind:
        raise invalid(
            "DataProcessing needs ContentType text/csv, application/json or application/jsonlines, "
            f"not {source.get('ContentType')!r}"
        )
    accept = output.get("Accept")
    if accept is not None and (kind_of(accept) == "csv") != (kind == "csv"):
        raise invalid(f"with DataProcessing, Accept {accept!r} must be of the kind of ContentType")
    if accept is None and processing.get("JoinSource", "None") == "Input":
        raise invalid("with JoinSource Input, TransformOutput.Accept must be given")
    if kind == "json":
        if split == "Line" and request.get("BatchStrategy") != "SingleRecord":
            raise invalid(
                "DataProcessing of application/json takes a document a request: set BatchStrategy "
                "to SingleRecord, or SplitType to None, or use application/jsonlines"
            )
    elif split != "Line":
        raise invalid(f"DataProcessing of {source['ContentType']} needs SplitType Line")
    if output.get("AssembleWith", "None") != split:
        raise invalid(f"with DataProcessing, AssembleWith must be SplitType, which is {split}")
