"""Models of image `records` (record_server.py) in a lab's local SageMaker API."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

from mlops_assets.resources.sagemaker.hosting.models import ensure_model
from mlops_assets_tests.resources.sagemaker.conftest import Lab
from mlops_assets_tests.sagemaker_local import record_server


class RecordModels:
    """``models("name", "lag=0.1")`` makes one and gives its name."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        lab.sagemaker.client().list_models()  # the server is started, so its home exists
        path = lab.root / "sagemaker" / "images.json"
        images = json.loads(path.read_text()) if path.exists() else {}
        images["records"] = {"serve": [sys.executable, str(Path(record_server.__file__))]}
        path.write_text(json.dumps(images))

    def __call__(self, name: str, *facts: str) -> str:
        buffer, text = io.BytesIO(), " ".join((name, *facts)).encode()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            member = tarfile.TarInfo("model.txt")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        uri = f"s3://lake/models/{name}.tar.gz"
        self._lab.objects().write(uri, buffer.getvalue())
        container = {"Image": "any/records:1", "ModelDataUrl": uri}
        return ensure_model(self._lab.sagemaker.client(), name, container)
