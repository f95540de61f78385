"""Several models in one container, loaded and unloaded by name: SageMaker's multi-model API.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html (load, list, get,
unload; 404 for a model that is not loaded, 409 for one that is, 507 when there is no room, after
which SageMaker unloads another and asks again). Belongs here: which models are there, and how many
may be. Does not: HTTP (service.py), or answering (a model's own handler).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mlops_assets.containers.handle import Handler
from mlops_assets.ml.artifact.errors import ArtifactError


class LoadedModel(NamedTuple):
    """A model as the API describes it: `url` is the directory that SageMaker unpacked it into."""

    name: str
    url: str


class PoolError(Exception):
    """Why a request about models cannot be met: an HTTP status, and a message for the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ModelPool:
    """The loaded models. Safe to use from several threads at once.

    `load` makes the handler of a model directory. At most `capacity` models are held: one more is a
    507, or with `evicts` takes the place of the one that was longest not asked. Directories outside
    `root` are never read.
    """

    def __init__(
        self,
        load: Callable[[Path], Handler],
        *,
        root: Path = Path("/opt/ml/models"),
        capacity: int = 16,
        evicts: bool = False,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a pool of {capacity} models holds none: give at least 1")
        self._load = load
        self._root = root.resolve()
        self._capacity = capacity
        self._evicts = evicts
        self._models: OrderedDict[str, tuple[LoadedModel, Handler]] = OrderedDict()
        self._loading: set[str] = set()
        self._lock = threading.Lock()

    def load(self, name: str, url: str) -> LoadedModel:
        """Load the model in the directory `url` under a name; proven before it is there.

        Blocks while it loads. Raises PoolError: 400 for a directory that is not one below the
        root or holds no sound model, 409 for a name that is taken, 507 when there is no room.
        """
        directory = Path(url).resolve()
        if not name or not directory.is_relative_to(self._root) or not directory.is_dir():
            raise PoolError(400, "give a model_name, and as url a directory of unpacked models")
        with self._lock:
            if name in self._models or name in self._loading:
                raise PoolError(409, "a model of this name is loaded: unload it first")
            taken = len(self._models) + len(self._loading)
            if taken >= self._capacity and not (self._evicts and self._models):
                raise PoolError(507, f"{taken} models are loaded, which is all there is room for")
            if taken >= self._capacity:
                self._models.popitem(last=False)
            self._loading.add(name)
        try:
            handler = self._load(directory)
        except MemoryError:
            raise PoolError(507, "there is not enough memory to load the model") from None
        except (ArtifactError, ValueError, OSError) as error:
            raise PoolError(400, "the directory holds no sound model; the log says why") from error
        finally:
            with self._lock:
                self._loading.discard(name)
        with self._lock:
            model = LoadedModel(name, url)
            self._models[name] = (model, handler)
        return model

    def unload(self, name: str) -> None:
        """Forget a model; requests that it is answering finish. Raises PoolError (404)."""
        with self._lock:
            if self._models.pop(name, None) is None:
                raise _not_loaded()

    def models(self) -> list[LoadedModel]:
        """The loaded models, by name."""
        with self._lock:
            return sorted(model for model, _ in self._models.values())

    def model(self, name: str) -> LoadedModel:
        """One of them. Raises PoolError (404)."""
        with self._lock:
            if name not in self._models:
                raise _not_loaded()
            return self._models[name][0]

    def handler(self, name: str) -> Handler:
        """The engine of a model, which counts as asked now. Raises PoolError (404)."""
        with self._lock:
            if name not in self._models:
                raise _not_loaded()
            self._models.move_to_end(name)
            return self._models[name][1]


def _not_loaded() -> PoolError:
    return PoolError(404, "no model of this name is loaded")
