"""`train` as a real process: arguments, logs, signals, failure, and the seal at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import pytest

from mlops_assets.ml.artifact.load import Artifact

pytestmark = pytest.mark.integration


class Container:
    """A training container's /opt/ml."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.config = base / "input" / "config"
        self.config.mkdir(parents=True)
        self.hyperparameters = {"sagemaker_program": "train.py"}
        self.environment: dict[str, str] = {}

    def start(self) -> subprocess.Popen[str]:
        """Start the job."""
        (self.config / "hyperparameters.json").write_text(json.dumps(self.hyperparameters))
        return subprocess.Popen(
            [sys.executable, "-m", "mlops_assets.containers", "train"],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(sys.path),
                "SAGEMAKER_BASE_DIR": str(self.base),
                **self.environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> tuple[int, str, str]:
        """Run the job: exit status, stdout, stderr."""
        process = self.start()
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def source(self, text: str, **files: str) -> Path:
        """Put the script into a source archive; its path."""
        directory = self.base / "src"
        directory.mkdir()
        for name, content in {"train.py": text, **files}.items():
            (directory / name).write_text(textwrap.dedent(content))
        archive = self.base / "input" / "data" / "code" / "sourcedir.tar.gz"
        archive.parent.mkdir(parents=True)
        with tarfile.open(archive, "w:gz") as tar:
            for path in sorted(directory.iterdir()):
                tar.add(path, path.name)
        return archive

    @property
    def failure(self) -> str:
        """The failure file."""
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """An empty training container."""
    return Container(tmp_path)


def test_a_script_with_a_module_beside_it(container: Container) -> None:
    """Script mode from the channel `code`: arguments, SM_* variables, imports, model directory."""
    container.source(
        """
        import argparse, os, helper
        parser = argparse.ArgumentParser()
        parser.add_argument("--max-depth", type=int)
        print("depth", parser.parse_args().max_depth, helper.NAME, os.environ["TRAINING_JOB_NAME"])
        open(os.environ["SM_MODEL_DIR"] + "/weights", "w").write("w")
        """,
        **{"helper.py": "NAME = 'beside'"},
    )
    container.hyperparameters["max-depth"] = "6"
    container.environment["TRAINING_JOB_NAME"] = "job-1"
    status, out, err = container.run()
    assert (status, out) == (0, "depth 6 beside job-1\n"), err
    assert (container.base / "model" / "weights").read_text() == "w"
    assert container.failure == ""


@pytest.mark.parametrize("form", ["/opt/ml path", "directory", "s3"])
def test_other_ways_to_hand_over_the_source(
    container: Container, form: str, tmp_path: Path
) -> None:
    """A documented path under /opt/ml wherever that is, a plain directory, an object in S3."""
    archive = container.source("print('ran')")
    place = {"/opt/ml path": "/opt/ml/input/data/code/sourcedir.tar.gz", "s3": "s3://b/k/s.tar.gz"}
    submitted = place.get(form, str(container.base / "src"))
    container.hyperparameters["sagemaker_submit_directory"] = submitted
    stored = tmp_path / "buckets" / "b" / "k" / "s.tar.gz"
    stored.parent.mkdir(parents=True)
    archive.rename(stored) if form == "s3" else None
    container.environment["MLOPS_OBJECTS"] = f"dir:{tmp_path / 'buckets'}"
    assert container.run()[:2] == (0, "ran\n")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sagemaker_program": ""}, "sagemaker_program is not set"),
        ({"sagemaker_program": "other.py"}, "'other.py' is not in the source: ['train.py']"),
        ({"sagemaker_program": "../../train.py"}, "lies outside its source directory"),
        ({"sagemaker_submit_directory": "s3://b/../../etc"}, "does not name an object"),
        ({"sagemaker_submit_directory": "s3://b/none.tar.gz"}, "there is no s3://b/none.tar.gz"),
        ({"sagemaker_submit_directory": "/none"}, "'/none' does not exist"),
    ],
)
def test_a_source_that_is_not_there_is_named(
    container: Container, changes: dict[str, str], said: str
) -> None:
    """Guards against python's own `can't open file` as the reason of a failed job."""
    container.source("print('ran')")
    container.hyperparameters |= changes
    container.environment["MLOPS_OBJECTS"] = f"dir:{container.base}"
    status, out, err = container.run()
    assert (status, out) == (1, "")
    assert said in container.failure
    assert said in err


def test_a_source_archive_that_escapes_is_refused(container: Container) -> None:
    """Guards against an archive in a channel that writes over the container's own files."""
    archive = container.source("print('ran')")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(container.base / "src" / "train.py", "../train.py")
    assert container.run()[0] == 1
    assert "unsafe path" in container.failure


def test_a_failing_script(container: Container) -> None:
    """Exit status kept; the failure file starts with the exception; the log has the traceback."""
    container.source("import sys\ndef f():\n  raise ValueError('no rows')\nf()")
    status, _, err = container.run()
    assert status == 1
    assert container.failure.startswith("ValueError: no rows\n(train.py line 3, in f; ")
    assert "Traceback" in err


def test_a_scripts_own_failure_file_is_kept(container: Container) -> None:
    """A script that knows better what went wrong may say so."""
    container.source(
        "import os, sys\nopen(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('mine')\n"
        "sys.exit(7)"
    )
    assert container.run()[0] == 7
    assert container.failure == "mine"


def test_logs_are_live_and_sigterm_is_forwarded(container: Container) -> None:
    """Guards against logs that come when the job is over, and against a script that is killed
    before it saved its checkpoint."""
    container.source(
        """
        import os, signal, sys, time
        def stop(number, frame):
            open(os.environ["SM_MODEL_DIR"] + "/checkpoint", "w").write("saved")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        print("epoch 1")
        print("warned", file=sys.stderr)
        while True: time.sleep(0.05)
        """
    )
    process = container.start()
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "epoch 1\n"
    assert process.stderr.readline() == "warned\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=90) == 0
    assert (container.base / "model" / "checkpoint").read_text() == "saved"


def test_a_script_that_ignores_nothing_dies_of_sigterm(container: Container) -> None:
    """A stop is not a success: the status says by which signal it ended."""
    container.source("import time\nprint('up')\ntime.sleep(60)")
    process = container.start()
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=90) == 128 + signal.SIGTERM
    assert container.failure == "train.py was killed by SIGTERM"


TRAINING = """
    from pathlib import Path
    import os, sys
    from mlops_assets_tests.ml.artifact import trained
    trained.train(Path(os.environ["SM_MODEL_DIR"]), n_estimators=int(sys.argv[2]))
    {after}
"""


def test_the_artifact_is_sealed(container: Container) -> None:
    """From a script that knows nothing of sealing to an artifact that answers."""
    container.source(TRAINING.format(after=""))
    container.hyperparameters["trees"] = "7"
    status, out, err = container.run()
    assert status == 0, err
    assert "sealed: 4 files" in out
    artifact = Artifact.load(container.base / "model")
    artifact.check_golden()
    training = artifact.manifest.training
    assert training["hyperparameters"] == {"trees": 7}
    assert training["script"] == "train.py"
    packages = training["environment"]["packages"]
    assert "xgboost-cpu" in packages or "xgboost" in packages
    assert training["seed"] is None


def test_a_model_that_does_not_seal_fails_the_job(container: Container) -> None:
    """Guards against a job that completes with a model whose serving answers differ."""
    container.source(
        TRAINING.format(
            after="""
    import pandas as pd
    path = Path(os.environ["SM_MODEL_DIR"], "check.parquet")
    pd.read_parquet(path).assign(__prediction__=0.5).to_parquet(path)
"""
        )
    )
    container.hyperparameters["trees"] = "7"
    assert container.run()[0] == 1
    assert container.failure.startswith("ArtifactError: model.ubj on the columns encoded by")
    assert "the worst is row" in container.failure


def test_sealing_imports_xgboost_without_scikit_learn() -> None:
    """That import took as long as all the rest of sealing; hidden for good, it would be missed."""
    code = """
        import sys
        from mlops_assets.containers.train import _import_xgboost_alone
        _import_xgboost_alone()
        assert "xgboost" in sys.modules
        print(sorted({"sklearn", "scipy.stats", "pandas"} & sys.modules.keys()))
        import sklearn
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_a_stop_reaches_a_script_whose_starter_ignores_it(container: Container) -> None:
    """Ignored signals are inherited: a job started by such a process could not be stopped."""
    container.source("import time\nprint('up')\ntime.sleep(60)")
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        process = container.start()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=90) == 128 + signal.SIGTERM
