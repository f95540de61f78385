"""Rules of CreateEndpointConfig for endpoints that are asynchronous or serverless.

Belongs here: what the service refuses of them, and what this machine does not do. Does not belong
here: rules of all configurations (models.py).
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.errors import invalid, unsupported
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.store import Document

_MEMORY = range(1024, 6145, 1024)


def check_kind(request: Document) -> None:
    """Raise ValidationException for a configuration that cannot be served in its way."""
    variants = request["ProductionVariants"]
    serverless = [variant for variant in variants if "ServerlessConfig" in variant]
    if "AsyncInferenceConfig" in request:
        if serverless:
            raise invalid("AsyncInferenceConfig is not for serverless variants")
        _check_asynchronous(request)
    if serverless:
        if len(variants) > 1 or request.get("ShadowProductionVariants"):
            raise invalid("a serverless endpoint has one variant, and no shadow")
        if request.get("DataCaptureConfig", {}).get("EnableCapture"):
            raise invalid("DataCaptureConfig is not for serverless endpoints")
        _check_serverless(serverless[0])


def _check_asynchronous(request: Document) -> None:
    output = request["AsyncInferenceConfig"]["OutputConfig"]
    if "NotificationConfig" in output:
        raise unsupported("NotificationConfig", "look for the output object instead")
    if "S3OutputPath" not in output:
        raise unsupported("a default output bucket", "give OutputConfig.S3OutputPath")
    for member in ("S3OutputPath", "S3FailurePath"):
        if member in output:
            s3_uri(f"AsyncInferenceConfig.OutputConfig.{member}", output[member])
    if request.get("ShadowProductionVariants"):
        raise invalid("AsyncInferenceConfig excludes ShadowProductionVariants")
    if request.get("DataCaptureConfig", {}).get("EnableCapture"):
        raise invalid("AsyncInferenceConfig excludes DataCaptureConfig")


def _check_serverless(variant: Document) -> None:
    name, settings = variant["VariantName"], variant["ServerlessConfig"]
    for member in ("InstanceType", "InitialInstanceCount"):
        if member in variant:
            raise invalid(f"variant {name} has a ServerlessConfig, which excludes {member}")
    if settings["MemorySizeInMB"] not in _MEMORY:
        raise invalid(
            f"MemorySizeInMB {settings['MemorySizeInMB']} of variant {name} must be one of "
            f"{list(_MEMORY)}"
        )
    if "ProvisionedConcurrency" in settings:
        raise unsupported("ProvisionedConcurrency", "leave it out")
