"""Processing jobs: what a script finds, and what is kept of what it leaves."""

from __future__ import annotations

import json
import sys

import pytest

from mlops_assets_tests.sagemaker_local.api import LocalApi, eventually
from mlops_assets_tests.sagemaker_local.processing.processing_api import (
    describe,
    lines,
    process,
    request,
    source,
    stored,
    target,
)

pytestmark = pytest.mark.integration

LOOK = """
import json, os, pathlib, sys
ml = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
print(json.dumps({
    "argv": sys.argv[1:],
    "env": dict(os.environ),
    "files": sorted(str(p.relative_to(ml)) for p in (ml / "processing").rglob("*")),
    **{path.stem: json.loads(path.read_text()) for path in (ml / "config").iterdir()},
}))
"""


def test_a_job_finds_what_the_container_contract_promises(api: LocalApi):
    """A user's script that runs on SageMaker must find the same files and variables here."""
    api.objects.write("s3://data/rows/a/part.csv", b"1,2\n")
    api.objects.write("s3://data/rows2/part.csv", b"a neighbour's")
    api.objects.write("s3://data/one.json", b"{}")
    manifest = json.dumps([{"prefix": "s3://data/"}, "rows2/part.csv"])
    api.objects.write("s3://data/manifest.json", manifest.encode())
    job = process(
        api,
        "contract",
        LOOK,
        inputs=[
            source("rows", "s3://data/rows"),
            source("one", "s3://data/one.json"),
            source("listed", "s3://data/manifest.json", S3DataType="ManifestFile"),
        ],
        outputs=[target("made", "s3://made/contract")],
        application={"ContainerArguments": ["--depth", "6"]},
        Environment={"MINE": "yes"},
    )
    assert job["ProcessingJobStatus"] == "Completed"
    seen = json.loads(lines(api, "contract")[0])
    assert seen["argv"] == ["--depth", "6"]
    assert seen["env"]["MINE"] == "yes"
    assert seen["files"] == [
        "processing/input",
        "processing/input/code",
        "processing/input/code/process.py",
        "processing/input/listed",
        "processing/input/listed/rows2",
        "processing/input/listed/rows2/part.csv",
        "processing/input/one",
        "processing/input/one/one.json",
        "processing/input/rows",
        "processing/input/rows/a",
        "processing/input/rows/a/part.csv",
        "processing/output",
        "processing/output/made",
    ]
    assert seen["resourceconfig"]["current_host"] == "algo-1"
    assert seen["resourceconfig"]["hosts"] == ["algo-1"]
    config = seen["processingjobconfig"]
    assert config["ProcessingJobArn"] == job["ProcessingJobArn"]
    assert config["ProcessingInputs"] == job["ProcessingInputs"]
    assert "CreationTime" not in config
    assert job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    eventually(lambda: not (api.home / "processing" / "contract").exists())


def test_hosts_share_the_inputs_and_know_each_other(api: LocalApi):
    """Sharded data must reach every host once, or rows are lost or counted twice."""
    for name in "abc":
        api.objects.write(f"s3://data/sharded/{name}.csv", name.encode())
    script = """
import json, pathlib, socket
config = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())
host = config["current_host"]
found = sorted(p.name for p in pathlib.Path("/opt/ml/processing/input/part").iterdir())
whole = sorted(p.name for p in pathlib.Path("/opt/ml/processing/input/whole").iterdir())
pathlib.Path(f"/opt/ml/processing/output/seen/{host}.json").write_text(json.dumps(
    {"hosts": [socket.gethostbyname(name) for name in config["hosts"]], "found": found,
     "whole": whole}))
pathlib.Path("/opt/ml/output/message").write_text(host + " ")
"""
    job = process(
        api,
        "hosts",
        script,
        cluster={"InstanceCount": 2},
        inputs=[
            source("part", "s3://data/sharded", S3DataDistributionType="ShardedByS3Key"),
            source("whole", "s3://data/sharded", S3DataDistributionType="FullyReplicated"),
        ],
        outputs=[target("seen", "s3://made/hosts")],
    )
    assert job["ProcessingJobStatus"] == "Completed"
    assert job["ExitMessage"] == "algo-1 algo-2 "
    seen = {name: json.loads(text) for name, text in stored(api, "s3://made/hosts").items()}
    assert sorted(seen) == ["algo-1.json", "algo-2.json"]
    assert [seen[name]["found"] for name in sorted(seen)] == [["a.csv", "c.csv"], ["b.csv"]]
    for one in seen.values():
        assert one["hosts"] == ["127.0.0.1", "127.0.0.2"]
        assert one["whole"] == ["a.csv", "b.csv", "c.csv"]


def test_outputs_at_the_end_and_outputs_while_it_runs(api: LocalApi, tmp_path):
    """A consumer that waits for the first Continuous file must not wait for the job."""
    gate = tmp_path / "gate"
    script = f"""
import pathlib, time
live = pathlib.Path("/opt/ml/processing/output/live")
(live / "deep").mkdir()
(live / "deep" / "one.txt").write_text("1")
pathlib.Path("/opt/ml/processing/output/end/two.txt").write_text("2")
while not pathlib.Path({str(gate)!r}).exists():
    time.sleep(0.05)
(live / "deep" / "one.txt").write_text("changed")
"""
    outputs = [target("live", "s3://made/live/", "Continuous"), target("end", "s3://made/end")]
    api.sm.create_processing_job(**request(api, "outputs", script, outputs=outputs))
    eventually(lambda: stored(api, "s3://made/live") == {"deep/one.txt": b"1"})
    assert describe(api, "outputs")["ProcessingJobStatus"] == "InProgress"
    assert stored(api, "s3://made/end") == {}
    gate.touch()
    eventually(lambda: describe(api, "outputs")["ProcessingJobStatus"] == "Completed")
    assert stored(api, "s3://made/live") == {"deep/one.txt": b"changed"}
    assert stored(api, "s3://made/end") == {"two.txt": b"2"}


def test_an_images_own_entrypoint_is_mapped(api: LocalApi):
    """An image that brings its program is run by the command that stands for it here."""
    path = api.home / "images.json"
    images = json.loads(path.read_text())
    program = [sys.executable, "-c", "import sys; print('mapped', sys.argv[1:])"]
    path.write_text(json.dumps(images | {"worker": {"process": program}}))
    wanted = request(api, "mapped")
    wanted["AppSpecification"] = {"ImageUri": "any/worker:2", "ContainerArguments": ["x"]}
    api.sm.create_processing_job(**wanted)
    eventually(lambda: describe(api, "mapped")["ProcessingJobStatus"] == "Completed")
    assert lines(api, "mapped") == ["mapped ['x']"]


def test_where_nothing_can_be_mounted_the_paths_are_moved(new_api, tmp_path):
    """macOS, and Linux without user namespaces: the entrypoint and the configuration move too."""
    unmounted = tmp_path / "unmounted.py"
    unmounted.write_text("""
import sys
from mlops_assets.sagemaker_local import __main__, server
async def no():
    return False
server.mounts_allowed = no
sys.exit(__main__.main())
""")
    api = new_api(program=(str(unmounted),))
    script = """
import json, os, pathlib
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
config = json.loads((base / "config" / "processingjobconfig.json").read_text())
(output,) = config["ProcessingOutputConfig"]["Outputs"]
pathlib.Path(output["S3Output"]["LocalPath"], "moved.txt").write_text("moved")
"""
    job = process(api, "moved", script, outputs=[target("made", "s3://made/moved")])
    assert job["ProcessingJobStatus"] == "Completed", job
    assert stored(api, "s3://made/moved") == {"moved.txt": b"moved"}
