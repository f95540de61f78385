"""What SageMaker would say of a request, by botocore's own service model."""

import functools
import json
from typing import Any

import botocore.loaders
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from mlops_assets.sagemaker_local import shapes


@functools.cache
def input_shape(operation: str) -> Any:
    loader = botocore.loaders.create_loader()
    model = ServiceModel(loader.load_service_model("sagemaker", "service-2"), "sagemaker")
    return model.operation_model(operation).input_shape


def accepted(operation: str, request: dict) -> dict:
    """The request, if botocore and its service model (lengths, patterns, enums) take it."""
    shape = input_shape(operation)
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    shapes.check(shape, json.loads(json.dumps(request)))
    return request
