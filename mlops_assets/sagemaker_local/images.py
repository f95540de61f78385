"""Which command stands for an image on this machine, and in which environment it runs.

Belongs here: image → argv, the minimal environment of a job or model server, and what /opt/ml
becomes where it cannot be mounted. Does not belong here: starting anything (processes.py).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_assets.sagemaker_local.cluster import NETWORK_INTERFACE
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.errors import invalid
from mlops_assets.sagemaker_local.namespaces import MOUNT_POINT

OWN = "mlops-assets"
SCRIPT_MODE = frozenset(
    {
        "huggingface-pytorch-training",
        "mxnet-training",
        "pytorch-training",
        "sagemaker-scikit-learn",
        "sagemaker-xgboost",
        "tensorflow-training",
    }
)
"""AWS's framework images: each trains by the same toolkit contract as this project's own, and seals
nothing."""
ALGORITHMS = {"sagemaker-xgboost": "mlops_assets.containers.algorithms.xgboost"}
"""AWS's images that also train without a script: repository to the module that stands for it."""
_OWN_VERBS = ("train", "serve")
_PACKAGE_PARENT = Path(__file__).parents[2]
_AWS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
)
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_FEATURES = "AWS_ENDPOINT_URL_SAGEMAKER_FEATURESTORE_RUNTIME"
_PIPES_CONTEXT = "DAGSTER_PIPES_CONTEXT"
_INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def repository(image: str) -> str:
    """The repository's name: the last path segment, without tag and digest.

    >>> repository("000000000000.dkr.ecr.us-east-1.amazonaws.com/team/mlops-assets:1.2@sha256:ab")
    'mlops-assets'
    """
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _is_own(name: str, verb: str) -> bool:
    return name == OWN or (verb == "train" and name in SCRIPT_MODE)


class Images:
    """The images of one server: this project's own, and those in ``<home>/images.json``."""

    def __init__(self, config: Config, url: str = "") -> None:
        self._config = config
        self._url = url

    def command(self, image: str, verb: str) -> list[str]:
        """The argv for ``docker run IMAGE verb``; ValidationException with the remedy if unknown.

        images.json is ``{"repository": {"train": [argv…], "serve": [argv…], "process": [argv…]}}``,
        where `process` is the entrypoint of the image, and ``"mlops-assets"`` instead of an argv
        means what that image does; it is read each time, so an entry needs no restart.
        """
        name = repository(image)
        path = self._config.home / "images.json"
        argv = self._mapped(name, verb)
        own = [sys.executable, "-m", "mlops_assets.containers", verb]
        if verb in _OWN_VERBS and (argv == OWN or (argv is None and name == OWN)):
            return own
        if verb == "train" and argv is None and name in SCRIPT_MODE:
            algorithm = ALGORITHMS.get(name)
            return [sys.executable, "-m", algorithm] if algorithm else [*own, "--unsealed"]
        if not isinstance(argv, list) or not argv or not all(isinstance(a, str) for a in argv):
            ours = f"Use an image whose repository is {OWN!r}"
            remedy = ours if verb in _OWN_VERBS else "Give ContainerEntrypoint in the request"
            raise invalid(
                f"No command stands for {verb!r} of image {image!r} on this machine. {remedy}, or "
                f'map it in {path}: {{"{name}": {{"{verb}": ["program", "argument"]}}}}'
            )
        return argv

    def _mapped(self, name: str, verb: str) -> Any:
        """What images.json says of a repository; None where it says nothing."""
        path = self._config.home / "images.json"
        try:
            known = json.loads(path.read_text()) if path.exists() else {}
            return known.get(name, {}).get(verb)
        except (ValueError, AttributeError) as error:
            raise invalid(f"{path} is not an object of objects in JSON: {error}") from error

    def environment(
        self,
        image: str,
        home: Path,
        base: Path,
        own: Mapping[str, str],
        request: Mapping[str, str],
        hosts: int = 1,
    ) -> dict[str, str]:
        """All that a container's process sees; nothing else of the server's environment.

        ``own`` is set by the service and wins over ``request``, which wins over the defaults.
        ``hosts`` processes of one job share this machine's cores.
        """
        cores = str(max(1, (os.cpu_count() or 1) // hosts))
        directory = str(Path(sys.executable).parent)
        defaults = {
            "PATH": os.pathsep.join([directory, os.environ.get("PATH", os.defpath)]),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",  # log lines are read while the job runs
            "AWS_REGION": self._config.region,
            "AWS_DEFAULT_REGION": self._config.region,
            **dict.fromkeys(_THREADS, cores),
            # Threads that wait by spinning starve each other where cores are shared.
            "OMP_WAIT_POLICY": "PASSIVE",
            # ONNX Runtime reports to its maker unless told not to before it is imported.
            "ORT_DISABLE_TELEMETRY": "1",
        }
        if hosts > 1:  # torch looks for its peers at the machine's own name, which may mean nothing
            defaults |= dict.fromkeys(_INTERFACES, NETWORK_INTERFACE)
        name = repository(image)
        if any(_is_own(name, verb) or self._mapped(name, verb) == OWN for verb in _OWN_VERBS):
            # The image has this project installed; a checkout need not.
            defaults["PYTHONPATH"] = str(_PACKAGE_PARENT)
        if "MLOPS_ONLINE" in request:  # its container reads features: from here
            defaults |= dict.fromkeys(_KEYS, "local") | {_FEATURES: self._url}
        if self._config.objects == "s3":
            defaults |= {name: os.environ[name] for name in _AWS if name in os.environ}
        service = {"SAGEMAKER_BASE_DIR": str(base), "MLOPS_OBJECTS": self._config.objects}
        given = request if str(base) == MOUNT_POINT else relocated_environment(request, base)
        return {**defaults, **given, **service, **own}


def relocated(argv: Sequence[str], base: Path) -> list[str]:
    """Arguments below /opt/ml, moved to where /opt/ml is when it could not be mounted."""
    return [
        str(base) + text.removeprefix(MOUNT_POINT) if text.startswith(MOUNT_POINT + "/") else text
        for text in argv
    ]


def relocated_environment(environment: Mapping[str, str], base: Path) -> dict[str, str]:
    """The same for values, and for the path that Dagster Pipes packs into its own variable."""
    moved = dict(zip(environment, relocated(list(environment.values()), base), strict=True))
    if _PIPES_CONTEXT in moved:
        # A value that Pipes did not pack, or without a path, is left as it is.
        with contextlib.suppress(ValueError, KeyError, TypeError, zlib.error):
            parameters = json.loads(zlib.decompress(base64.b64decode(moved[_PIPES_CONTEXT])))
            parameters["path"] = relocated([parameters["path"]], base)[0]
            packed = zlib.compress(json.dumps(parameters).encode())
            moved[_PIPES_CONTEXT] = base64.b64encode(packed).decode()
    return moved
