"""Input channels: what is brought, to which host, and what a script may do with it."""

from __future__ import annotations

import json

import pytest

from mlops_assets.objects import DirectoryObjects
from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.errors import ApiError
from mlops_assets.sagemaker_local.inputs import Entry, InputMissing, Source, bring, entries, share
from mlops_assets.sagemaker_local.limits import check_host_names
from mlops_assets_tests.sagemaker_local.api import LocalApi
from mlops_assets_tests.sagemaker_local.training.job_parts import channel


@pytest.fixture
def objects(tmp_path) -> DirectoryObjects:
    store = DirectoryObjects(tmp_path / "buckets")
    for name in ("a", "b/c", "d"):
        store.write(f"s3://data/train/{name}", name.encode())
    store.write("s3://data/train2/x", b"a neighbour's")
    return store


@pytest.mark.parametrize("hosts", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", [None, 7])
def test_sharding_gives_each_object_to_one_host(objects, hosts, seed):
    """An object of two hosts counts twice in a gradient, one of none is lost; both silently."""
    source = Source("channel train", "s3://data/train", sharded=True, seed=seed)
    whole = entries(source, objects)
    shares = [share(source, whole, host, hosts) for host in range(hosts)]
    assert sorted(e.name for part in shares for e in part) == ["a", "b/c", "d"]
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    replicated = Source("channel train", "s3://data/train")
    assert share(replicated, whole, hosts - 1, hosts) == whole


def test_a_manifest_names_the_objects(objects, tmp_path):
    """A prefix of which a job wants some objects only."""
    manifest = [{"prefix": "s3://data/train/"}, "d", "b/c"]
    objects.write("s3://data/manifest", json.dumps(manifest).encode())
    source = Source("channel train", "s3://data/manifest", manifest=True)
    found = entries(source, objects)
    assert [entry.name for entry in found] == ["d", "b/c"]
    bring(found, tmp_path / "train", objects)
    assert (tmp_path / "train" / "b" / "c").read_bytes() == b"b/c"


@pytest.mark.parametrize(
    "content",
    [
        b"not json",
        b"{}",
        b"[]",
        b'["a"]',
        b'[{"prefix": "s3://data/train/"}, 1]',
        b'[{"prefix": "s3://data/train/"}, "../../secret"]',
        b'[{"prefix": "s3://data/train"}, "/etc/passwd"]',
        b'[{"prefix": "/etc/"}, "passwd"]',
        b'[{"prefix": "s3://data/train/"}]',
    ],
)
def test_a_wrong_manifest_is_the_jobs_failure(objects, content):
    """A manifest that names files of the machine, or nothing, must not become a training."""
    objects.write("s3://data/manifest", content)
    with pytest.raises(InputMissing, match="ClientError: Data download failed"):
        entries(Source("channel train", "s3://data/manifest", manifest=True), objects)


def test_an_object_that_is_gone_is_the_jobs_failure(objects, tmp_path):
    with pytest.raises(InputMissing, match="s3://data/train/gone"):
        bring([Entry("s3://data/train/gone", "gone")], tmp_path / "train", objects)


def test_a_linked_object_is_seen_as_it_was_listed(objects, tmp_path):
    """A writer that replaces an object during a training must not mix two versions of the data."""
    found = entries(Source("channel train", "s3://data/train"), objects)
    bring(found, tmp_path / "train", objects, link=True)
    path = tmp_path / "train" / "a"
    assert path.stat().st_ino == (objects.root / "data" / "train" / "a").stat().st_ino
    objects.write("s3://data/train/a", b"replaced")
    assert path.read_bytes() == b"a"


def test_the_hosts_names_are_addresses_of_this_machine():
    """A rendezvous at algo-1 must be found, and each host may listen on its own address."""
    text = Cluster.from_request({"InstanceType": "ml.m5.large", "InstanceCount": 2}).hosts_file()
    assert text.endswith("127.0.0.1 algo-1\n127.0.0.2 algo-2\n")
    assert "localhost" in text


@pytest.mark.parametrize(("count", "mounts"), [(1, False), (2, True)])
def test_hosts_that_have_names_are_allowed(count, mounts):
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": count}
    check_host_names(Cluster.from_request(resources), mounts=mounts)


def test_hosts_that_could_not_find_each_other_are_refused():
    """A rendezvous at a name that means nothing fails after minutes, with no hint at why."""
    cluster = Cluster.from_request({"InstanceType": "ml.m5.large", "InstanceCount": 2})
    with pytest.raises(ApiError, match=r"127\.0\.0\.1 algo-1 algo-2"):
        check_host_names(cluster, mounts=False)


@pytest.mark.integration
def test_fast_file_mode_reads_the_objects_and_cannot_write(api: LocalApi):
    """A script that wrote to its FastFile channel here would fail in SageMaker, or here corrupt
    the very objects that others read."""
    api.objects.write("s3://data/fast/part.csv", b"1,2\n")
    script = """
import errno, json, os
mode = json.load(open("/opt/ml/input/config/inputdataconfig.json"))["fast"]["TrainingInputMode"]
print(mode, open("/opt/ml/input/data/fast/part.csv").read().strip())
for act in (
    lambda: open("/opt/ml/input/data/fast/part.csv", "a"),
    lambda: open("/opt/ml/input/data/fast/new.csv", "w"),
    lambda: os.remove("/opt/ml/input/data/fast/part.csv"),
):
    try:
        act()
        print("written")
    except OSError as error:
        print(errno.errorcode[error.errno])
open("/opt/ml/input/data/code/new", "w").write("File mode is a copy")
"""
    request = api.request("fast", script)
    request["InputDataConfig"].append(channel("fast", "s3://data/fast") | {"InputMode": "FastFile"})
    api.sm.create_training_job(**request)
    assert api.wait("fast")["TrainingJobStatus"] == "Completed"
    assert api.lines("fast") == ["FastFile 1,2", "EROFS", "EROFS", "EROFS"]
    assert api.objects.read("s3://data/fast/part.csv") == b"1,2\n"


@pytest.mark.integration
def test_a_manifest_channel_of_a_job(api: LocalApi):
    """The same through the API, in File mode."""
    for name in ("a", "b"):
        api.objects.write(f"s3://data/listed/{name}", name.encode())
    api.objects.write("s3://data/listed.manifest", b'[{"prefix": "s3://data/listed/"}, "b"]')
    request = api.request("manifest", "import os; print(os.listdir('/opt/ml/input/data/some'))")
    some = channel("some", "s3://data/listed.manifest")
    some["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    request["InputDataConfig"].append(some)
    api.sm.create_training_job(**request)
    assert api.wait("manifest")["TrainingJobStatus"] == "Completed"
    assert api.lines("manifest") == ["['b']"]
