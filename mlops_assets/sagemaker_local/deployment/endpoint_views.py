"""What DescribeEndpoint shows of a stored endpoint.

Belongs here: variants, pending deployments and capture as the output shape has them. Does not
belong here: what is stored, and when it changes (endpoints.py).
"""

from __future__ import annotations

from mlops_assets.sagemaker_local.deployment.traffic import Traffic
from mlops_assets.sagemaker_local.fleet.hosting import Variant
from mlops_assets.sagemaker_local.store import Document


def description(document: Document, traffic: Traffic | None) -> Document:
    """The reply, before it is cut to the shape."""
    serving, target, wanted = (document.get(key) for key in ("Serving", "Target", "Rescale"))
    shown = dict(document)
    if serving:
        shown["ProductionVariants"] = [
            _summary(variant, wanted, traffic) for variant in serving["variants"]
        ]
        shown["ShadowProductionVariants"] = [
            _summary(variant, None, None) for variant in serving.get("shadows", ())
        ] or None
        shown["DataCaptureConfig"] = _capture(serving.get("capture"))
        shown["AsyncInferenceConfig"] = serving.get("asynchronous")
    if target and document.get("Deployment"):
        shown["PendingDeploymentSummary"] = _pending(target, document["Deployment"], traffic)
    return shown


def _summary(variant: Document, wanted: Document | None, traffic: Traffic | None) -> Document:
    desired = variant
    if wanted is not None:
        desired = next(other for other in wanted["variants"] if other["name"] == variant["name"])
    live = _live(variant["name"], traffic)
    shown = {
        "VariantName": variant["name"],
        "DeployedImages": [{"SpecifiedImage": variant["image"]}],
        "CurrentWeight": live.weight if live else variant["weight"],
        "DesiredWeight": desired["weight"],
    }
    if variant.get("serverless"):
        return shown | {"CurrentServerlessConfig": variant["serverless"]}
    return shown | {
        "CurrentInstanceCount": len(live.replicas) if live else variant["instances"],
        "DesiredInstanceCount": desired["instances"],
    }


def _live(name: str, traffic: Traffic | None) -> Variant | None:
    if traffic is None:
        return None
    serving = [side.fleet for side in traffic.sides if side.fleet is not traffic.coming]
    return serving[0].variant(name) if serving else None


def _pending(target: Document, progress: Document, traffic: Traffic | None) -> Document:
    coming = traffic.coming if traffic else None
    sides = traffic.sides if traffic else ()
    share = next((side.share for side in sides if side.fleet is coming), 0.0)
    status = {"Status": progress["Stage"], "StartTime": progress["StageTime"]}
    status |= {"StatusMessage": progress["Message"]} if progress["Message"] else {}

    def summary(variant: Document) -> Document:
        live = coming.variant(variant["name"]) if coming else None
        return {
            "VariantName": variant["name"],
            "DeployedImages": [{"SpecifiedImage": variant["image"]}],
            "CurrentWeight": variant["weight"] * share,
            "DesiredWeight": variant["weight"],
            "CurrentInstanceCount": len(live.replicas) if live else 0,
            "DesiredInstanceCount": variant["instances"],
            "InstanceType": variant.get("instance_type"),
            "VariantStatus": [status],
        }

    return {
        "EndpointConfigName": target["config"],
        "StartTime": progress["Started"],
        "ProductionVariants": [summary(variant) for variant in target["variants"]],
        "ShadowProductionVariants": [summary(v) for v in target.get("shadows", ())] or None,
    }


def _capture(settings: Document | None) -> Document | None:
    if settings is None:
        return None
    return {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": settings["InitialSamplingPercentage"],
        "DestinationS3Uri": settings["DestinationS3Uri"],
        "KmsKeyId": settings.get("KmsKeyId", ""),
    }
