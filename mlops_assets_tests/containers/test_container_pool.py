"""Several models in one container: SageMaker's multi-model contract, without HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.containers.engines import load_handler
from mlops_assets.containers.handle import Handler
from mlops_assets.containers.pool import LoadedModel, ModelPool, PoolError
from mlops_assets_tests.containers.test_container_handle import BODY


def status(call: Callable[[], Any]) -> int:
    """The status of a refusal."""
    with pytest.raises(PoolError) as caught:
        call()
    return caught.value.status


def directories(root: Path, *names: str) -> list[str]:
    """Empty model directories."""
    for name in names:
        (root / name).mkdir()
    return [str(root / name) for name in names]


class Nothing:
    """A handler that is told from others by its directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory


def test_a_model_is_loaded_asked_and_unloaded(model: Path) -> None:
    """Guards against a model that stays after it was unloaded, and a status that SageMaker does
    not know what to do with."""
    pool = ModelPool(load_handler, root=model.parent)
    loaded = LoadedModel("a", str(model))
    assert pool.load("a", str(model)) == loaded
    assert (pool.models(), pool.model("a")) == ([loaded], loaded)
    reply = pool.handler("a").handle("application/json", "", BODY)
    assert json.loads(reply.body)["predictions"]
    assert status(lambda: pool.load("a", str(model))) == 409
    pool.unload("a")
    for call in (pool.model, pool.handler, pool.unload):
        assert status(lambda call=call: call("a")) == 404
    assert pool.models() == []


def test_what_is_no_sound_model_is_a_400_and_leaves_the_name_free(model: Path) -> None:
    """Guards against a name that is taken for ever by a load that failed, and against paths in a
    reply."""
    pool = ModelPool(load_handler, root=model.parent)
    (model / "model.onnx").write_bytes(b"spoiled")
    with pytest.raises(PoolError) as caught:
        pool.load("a", str(model))
    assert caught.value.status == 400
    assert str(model) not in caught.value.message
    assert status(lambda: pool.load("a", str(model))) == 400


@pytest.mark.parametrize("url", ["/etc", "../..", "models/../../x", "", "missing"])
def test_a_directory_outside_the_root_is_never_read(tmp_path: Path, url: str) -> None:
    """Guards against a name from outside choosing any directory of the container."""
    (tmp_path / "x").mkdir()
    (tmp_path / "models").mkdir()
    read: list[Path] = []
    pool = ModelPool(read.append, root=tmp_path / "models")  # type: ignore[arg-type]
    assert status(lambda: pool.load("a", str(tmp_path / url) if url[:1] != "/" else url)) == 400
    assert read == []


def test_a_link_out_of_the_root_is_never_followed(tmp_path: Path) -> None:
    """Guards against a link in the models' directory."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a").symlink_to("/etc")
    pool = ModelPool(Nothing, root=tmp_path / "models")  # type: ignore[arg-type]
    assert status(lambda: pool.load("a", str(tmp_path / "models" / "a"))) == 400


def test_a_full_pool_says_so_or_makes_room(tmp_path: Path) -> None:
    """Guards against memory that grows with every model, and against losing the one in use."""
    a, b, c = directories(tmp_path, "a", "b", "c")
    full = ModelPool(Nothing, root=tmp_path, capacity=2)  # type: ignore[arg-type]
    evicting = ModelPool(Nothing, root=tmp_path, capacity=2, evicts=True)  # type: ignore[arg-type]
    for pool in (full, evicting):
        pool.load("a", a)
        pool.load("b", b)
        pool.handler("a")
    assert status(lambda: full.load("c", c)) == 507
    full.unload("b")
    full.load("c", c)
    evicting.load("c", c)
    for pool in (full, evicting):
        assert [model.name for model in pool.models()] == ["a", "c"]
    with pytest.raises(ValueError, match="at least 1"):
        ModelPool(Nothing, capacity=0)  # type: ignore[arg-type]


def test_a_model_that_loads_holds_up_nobody(tmp_path: Path) -> None:
    """Guards against requests for one model waiting until another has been read from disk."""
    a, b = directories(tmp_path, "a", "b")
    go, begun = threading.Event(), threading.Event()

    def slow(directory: Path) -> Handler:
        if directory.name == "b":
            begun.set()
            assert go.wait(20)
        return Nothing(directory)  # type: ignore[return-value]

    pool = ModelPool(slow, root=tmp_path, capacity=2)
    pool.load("a", a)
    thread = threading.Thread(target=pool.load, args=("b", b))
    thread.start()
    assert begun.wait(20)
    assert pool.handler("a")
    assert status(lambda: pool.load("b", b)) == 409
    assert status(lambda: pool.load("c", a)) == 507
    go.set()
    thread.join(20)
    assert [model.name for model in pool.models()] == ["a", "b"]


def test_a_model_too_large_for_memory_is_a_507(tmp_path: Path) -> None:
    """Guards against SageMaker taking the model for broken instead of making room."""
    (a,) = directories(tmp_path, "a")

    def too_large(directory: Path) -> Handler:
        raise MemoryError

    assert status(lambda: ModelPool(too_large, root=tmp_path).load("a", a)) == 507
