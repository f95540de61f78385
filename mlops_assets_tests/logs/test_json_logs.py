"""Logs as lines of JSON: of which run, step, asset and partition, and never with a secret.

The runs are Dagster's own, in a process of its own, with the image's configuration of logs.
"""

import json
import logging
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_assets.logs import json_lines, redaction
from mlops_assets.logs.redaction import STRUCK, redactor

ROOT = Path(__file__).parents[2]
CANARY = "canary-9f3b7c21"
RUN = """
import json, logging, sys
import dagster as dg
from mlops_assets.logs import redaction

@dg.asset(key_prefix="parcels", partitions_def=dg.StaticPartitionsDefinition(["2024-03-01"]))
def clean(context):
    context.log.info("by the context: %s", {canary!r})
    logging.getLogger("mlops_assets.resources.x").warning("by a logger of ours: {canary}")
    logging.getLogger("mlops_assets.resources.x").debug("too fine")
    print("printed")
    raise ValueError("by the error: {canary}")

logs = json.loads(sys.argv[1])
with dg.DagsterInstance.ephemeral(settings={{"python_logs": logs}}) as instance:
    for struck in (False, True):
        if struck:
            redaction.install()
        for stream in (sys.stdout, sys.stderr):
            print("=====", file=stream, flush=True)
        dg.materialize([clean], partition_key="2024-03-01", instance=instance,
                       raise_on_error=False, tags={{"pipeline": "parcels"}})
"""


@dataclass(frozen=True)
class Said:
    """The lines of JSON of a run, and all that it wrote."""

    lines: list[dict[str, Any]]
    everything: str


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Said]:
    """The same run twice: without and with what strikes secrets out of records."""
    home = tmp_path_factory.mktemp("runs")
    image = yaml.safe_load((ROOT / "deploy" / "docker" / "dagster.yaml").read_text())
    (home / "run.py").write_text(textwrap.dedent(RUN.format(canary=CANARY)))
    done = subprocess.run(
        [sys.executable, str(home / "run.py"), json.dumps(image["python_logs"])],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, "X_PASSWORD": CANARY, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    parts = zip(done.stdout.split("=====")[1:], done.stderr.split("=====")[1:], strict=True)
    plain, struck = (
        Said([json.loads(line) for line in out.splitlines() if line.startswith("{")], out + err)
        for out, err in parts
    )
    return plain, struck


@pytest.mark.integration
def test_a_run_s_lines_say_what_they_are_of_and_hold_no_secret(runs: tuple[Said, Said]) -> None:
    """Without these fields nobody finds the lines of one partition among a thousand runs'."""
    lines, everything = runs[1].lines, runs[1].everything
    said = {line["message"]: line for line in lines}
    ours = said[f"by a logger of ours: {STRUCK}"]
    assert ours["logger"] == "mlops_assets.resources.x"
    assert ours["level"] == "WARNING"
    for line in (ours, said[f"by the context: {STRUCK}"]):
        assert (line["step"], line["asset"]) == ("parcels__clean", "parcels/clean")
        assert (line["partition"], line["pipeline"]) == ("2024-03-01", "parcels")
        assert len(line["run"]) == 36
    (failed,) = [line for line in lines if line.get("event") == "STEP_FAILURE"]
    assert f"ValueError: by the error: {STRUCK}" in failed["error"]
    assert "too fine" not in everything
    assert CANARY not in json.dumps(lines)


@pytest.mark.integration
def test_without_the_record_factory_the_console_shows_it(runs: tuple[Said, Said]) -> None:
    """Negative control: the lines of JSON are struck clean by themselves, but Dagster's console
    and its event log are only by `redaction.install`."""
    lines, everything = runs[0].lines, runs[0].everything
    assert CANARY in everything
    assert CANARY not in json.dumps(lines)
    for words in ("by the context", "by a logger of ours"):
        assert f"{words}: {CANARY}" in everything
        assert f"{words}: {CANARY}" not in runs[1].everything


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://mlops:hunter22@db:5432/x",
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=hunter22&X-Amz-Date=1",
        "{'Password': 'hunter22'}",
        '"secret": "hunter22"',
        "api_key=hunter22",
        # pragma: allowlist nextline secret
        "-----BEGIN EC PRIVATE KEY-----\nhunter22\n-----END EC PRIVATE KEY-----",
        "Authorization: Bearer eyJhunter22hunter.eyJhunter22hunter.hunter22",
        "the webhook https://hooks.example.com/hunter22 failed",
    ],
)
def test_what_looks_like_a_secret_is_struck_out(text: str) -> None:
    redact = redactor({"MLOPS_ALERT_WEBHOOK": "https://hooks.example.com/hunter22"})
    assert "hunter22" in text, "negative control"
    assert "hunter22" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "12 tokens a second, no password was asked for",
        "arn:aws:secretsmanager:us-east-1:1:secret:db-AbCdEf is read by the task",
        "version 3 of flight-delays serves, see s3://lake/records/x.json",
        "https://dagster.example.com/runs/1?tab=log",
    ],
)
def test_what_is_none_stays_as_it_is(text: str) -> None:
    """Logs in which every second word is struck out help nobody."""
    environment = {"DB_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:1:secret:db-AbCdEf",
                   "TOKEN_COUNT": "12", "SECRETS_FILE": "/etc/x"}  # fmt: skip
    assert redactor(environment)(text) == text


@pytest.fixture
def _loggers() -> Any:
    factory, handlers = (
        logging.getLogRecordFactory(),
        list(logging.getLogger("mlops_assets").handlers),
    )
    yield
    logging.setLogRecordFactory(factory)
    logging.getLogger("mlops_assets").handlers[:] = handlers


@pytest.mark.usefixtures("_loggers")
def test_outside_of_runs_our_loggers_write_the_same_lines_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alerts of sensors are told by the code server, where no run is."""
    monkeypatch.setenv("MLOPS_ALERT_WEBHOOK", "https://hooks.example.com/hunter22")
    for _ in range(2):
        redaction.install()
        json_lines.configure()
    logging.getLogger("mlops_assets.x").warning("told https://hooks.example.com/hunter22")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["message"] == f"told {STRUCK}"
    assert "run" not in json.loads(line)


@pytest.mark.usefixtures("_loggers")
def test_a_line_is_one_line_and_fits_into_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    json_lines.configure()
    logging.getLogger("mlops_assets.x").error("first\nsecond\u2028third" + "x" * 400_000)
    (line,) = capsys.readouterr().out.splitlines()
    assert len(line.encode()) < 256 * 1024
    assert json.loads(line)["message"].startswith("first\nsecond\u2028third")
