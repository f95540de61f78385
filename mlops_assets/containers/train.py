"""`train`: run the user's script under the training container's contract, then seal the artifact.

Belongs here: the child process, its signals and its end. Does not: what the script is told
(environment.py), how its failure reads (failure.py), or what sealing means (ml/artifact/seal.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from mlops_assets.containers import failure
from mlops_assets.containers.environment import ContainerError, Paths, TrainingJob
from mlops_assets.containers.software import seed_of, software
from mlops_assets.containers.source import find_script

_TAIL = 64 * 1024


def train(*, sealing: bool = True) -> int:
    """Run the training job of this container; returns the exit status (0: Completed).

    Without ``sealing`` the model is left as the script left it. On failure /opt/ml/output/failure
    begins with the exception's line.
    """
    paths = Paths.from_environ()
    for directory in (paths.model, paths.output / "data"):
        directory.mkdir(parents=True, exist_ok=True)
    try:
        job = TrainingJob.read(paths)
        script = find_script(job)
        status, errors = run_script(script, job)
        if status == 0:
            if sealing:
                _seal(job, script)
            return 0
        _write_failure(paths, failure.describe(script.name, status, errors))
        return status if status > 0 else 128 - status
    except ContainerError as error:
        print(f"train: {error}", file=sys.stderr, flush=True)
        _write_failure(paths, str(error))
        return 1


def run_script(script: Path, job: TrainingJob) -> tuple[int, str]:
    """Run the script as a child; its return code, and the end of its stderr.

    stdout is inherited and stderr is passed on as it comes, so that logs are live. SIGTERM and
    SIGINT are forwarded: the script decides what to save before it ends.
    """
    environment = {
        # Threads of OpenMP that wait by spinning make each other wait where cores are shared:
        # XGBoost took 5 times as long on two busy cores.
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        **job.variables(script),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, str(script), *job.arguments()]
    # Taken by a thread that waits for them: a handler would run only once the main thread is back
    # in Python, which a signal that comes just before it blocks in wait() does not bring about.
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    try:
        child = subprocess.Popen(
            command,
            cwd=script.parent,
            env=environment,
            stderr=subprocess.PIPE,
            preexec_fn=_default_signals,  # no thread runs yet
        )
        ended = threading.Event()
        forwarder = threading.Thread(target=_forward, args=(child, ended), daemon=True)
        forwarder.start()
        tail = bytearray()
        reader = threading.Thread(target=_pass_on, args=(child.stderr, tail), daemon=True)
        reader.start()
        status = child.wait()
        ended.set()
        signal.pthread_kill(forwarder.ident or 0, _WAKE)
        forwarder.join()
    finally:
        _unblock()
    # A grandchild may hold stderr open for ever: what it still writes is not waited for.
    reader.join(timeout=2)
    return status, bytes(tail).decode(errors="replace")


_WAKE = signal.SIGUSR1
_FORWARDED = (signal.SIGTERM, signal.SIGINT, _WAKE)


def _forward(child: subprocess.Popen[bytes], ended: threading.Event) -> None:
    """Hand signals to the script until it has ended, which is told by one more signal."""
    while True:
        number = signal.sigwait(_FORWARDED)
        if ended.is_set():
            return
        child.send_signal(number)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)


def _default_signals() -> None:
    """In the child: a signal that whoever started us ignores would be ignored by the script too."""
    for number in _FORWARDED:
        signal.signal(number, signal.SIG_DFL)
    _unblock()


def _pass_on(stream: Any, tail: bytearray) -> None:
    while data := os.read(stream.fileno(), 65536):
        sys.stderr.buffer.write(data)
        sys.stderr.buffer.flush()
        tail += data
        del tail[:-_TAIL]


def _seal(job: TrainingJob, script: Path) -> None:
    """Seal the artifact if the script left a feature spec; a model of another kind stays as is."""
    if not (job.paths.model / "features.json").exists():
        return
    from mlops_assets.ml.artifact import manifest as files
    from mlops_assets.ml.artifact.errors import ArtifactError
    from mlops_assets.ml.artifact.seal import seal

    if (job.paths.model / files.NATIVE).exists():
        _import_xgboost_alone()
    training = {
        "script": job.settings.get("sagemaker_program", script.name),
        "hyperparameters": dict(job.hyperparameters),
        "seed": seed_of(job.hyperparameters),
        "environment": software(script.parent).to_json(),
    }
    try:
        manifest = seal(job.paths.model, training=training)
    except ArtifactError as error:
        raise ContainerError(f"{type(error).__name__}: {error}") from error
    check = manifest.check
    print(
        f"sealed: {len(manifest.files)} files, {manifest.width} encoded columns, {check.rows} check"
        f" rows, largest difference {check.max_abs_diff:g}",
        flush=True,
    )


def _import_xgboost_alone() -> None:
    """Without scikit-learn, which XGBoost imports where it can, for estimators of its own.

    Sealing uses none of them; that import takes as long as all the rest of it. Only where this
    process does nothing else.
    """
    if {"xgboost", "sklearn"} & sys.modules.keys():
        return
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # "there is no such module"
    try:
        import xgboost  # noqa: F401
    finally:
        del sys.modules["sklearn"]


def _write_failure(paths: Paths, text: str) -> None:
    """Write the failure file, unless the script wrote its own."""
    path = paths.output / "failure"
    if not path.exists() or not path.stat().st_size:
        path.write_text(text[: failure.LIMIT])
