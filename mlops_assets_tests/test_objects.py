"""Objects: one meaning on a directory and on S3, and nothing half-written on either."""

import io
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError, IncompleteReadError
from botocore.httpsession import URLLib3Session
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.objects import ObjectNotFound, Objects, open_objects, parse_uri
from mlops_assets.objects_s3 import S3Objects
from mlops_assets_tests.aws_server import aws_server, environment


@pytest.fixture(scope="module")
def aws_url() -> Iterator[str]:
    with aws_server() as url:
        yield url


@pytest.fixture
def s3(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[S3Objects, str]:
    for name, value in environment(aws_url).items():
        monkeypatch.setenv(name, value)
    bucket = f"b-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return S3Objects(), f"s3://{bucket}"


@pytest.fixture(params=["dir", pytest.param("s3", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Objects, str]:
    """The same tests on both stores: (store, URI of an empty bucket)."""
    if request.param == "s3":
        found: tuple[Objects, str] = request.getfixturevalue("s3")
        return found
    return open_objects(f"dir:{tmp_path}/buckets"), "s3://bucket"


def test_what_is_written_is_read_listed_and_deleted(store: tuple[Objects, str]) -> None:
    objects, bucket = store
    objects.write(f"{bucket}/a/1.txt", b"one")
    objects.write(f"{bucket}/a/1.txt", b"two!")
    objects.write(f"{bucket}/a/b/2.txt", b"")
    assert objects.read(f"{bucket}/a/1.txt") == b"two!"
    assert [(info.uri, info.size) for info in objects.list(f"{bucket}/a")] == [
        (f"{bucket}/a/1.txt", 4),
        (f"{bucket}/a/b/2.txt", 0),
    ]
    objects.delete(f"{bucket}/a/1.txt")
    objects.delete(f"{bucket}/a/1.txt")
    assert not objects.exists(f"{bucket}/a/1.txt")
    objects.delete_tree(bucket)
    assert list(objects.list(bucket)) == []


def test_a_missing_object_is_named(store: tuple[Objects, str], tmp_path: Path) -> None:
    objects, bucket = store
    objects.write(f"{bucket}/folder/file", b"x")
    for uri in (f"{bucket}/none", f"{bucket}/folder", f"{bucket}/folder/file/deeper"):
        assert not objects.exists(uri)
        with pytest.raises(ObjectNotFound, match=uri):
            objects.read(uri)
        with pytest.raises(ObjectNotFound, match=uri):
            objects.download(uri, tmp_path / "out" / "file")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_is_not_its_neighbour(store: tuple[Objects, str]) -> None:
    """S3 prefixes are strings: listing 'train' used to bring 'train2' into the training set."""
    objects, bucket = store
    for key in ("train/0", "train2/0", "train.csv", "train"):
        if key != "train" or isinstance(objects, S3Objects):
            objects.write(f"{bucket}/{key}", b"x")
    found = {info.uri.removeprefix(bucket) for info in objects.list(f"{bucket}/train")}
    assert found - {"/train"} == {"/train/0"}
    assert [info.uri for info in objects.list(f"{bucket}/train.csv")] == [f"{bucket}/train.csv"]


def test_keys_are_listed_in_s3s_order_everywhere(store: tuple[Objects, str]) -> None:
    objects, bucket = store
    keys = ["Z", "a-b", "a/b", "a.b", "é", "a0"]
    for key in keys:
        objects.write(f"{bucket}/{key}", b"")
    listed = [info.uri.removeprefix(f"{bucket}/") for info in objects.list(bucket)]
    assert listed == sorted(keys, key=lambda key: key.encode())


def test_trees_and_files_travel_both_ways(store: tuple[Objects, str], tmp_path: Path) -> None:
    objects, bucket = store
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "top").write_bytes(b"1")
    (source / "deep" / "er" / "leaf").write_bytes(b"2")
    assert objects.upload_tree(source, f"{bucket}/tree/") == 2
    assert objects.download_tree(f"{bucket}/tree", tmp_path / "copy") == 2
    assert (tmp_path / "copy" / "deep" / "er" / "leaf").read_bytes() == b"2"
    assert objects.download_tree(f"{bucket}/tree/top", tmp_path / "one") == 1
    assert (tmp_path / "one" / "top").read_bytes() == b"1"
    assert objects.download_tree(f"{bucket}/nothing", tmp_path / "none") == 0


def test_of_racing_creators_one_wins(store: tuple[Objects, str]) -> None:
    """Two schedulers that both believe they created a lock would both act on it."""
    objects, bucket = store
    start = threading.Barrier(8)

    def create(writer: int) -> bool:
        start.wait()
        return objects.write_if_absent(f"{bucket}/lock", str(writer).encode())

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert sum(won) == 1
    assert objects.read(f"{bucket}/lock") == str(won.index(True)).encode()
    assert objects.write_if_absent(f"{bucket}/lock", b"late") is False


@pytest.mark.integration
def test_a_lost_answer_to_ones_own_create_is_success(s3: tuple[S3Objects, str]) -> None:
    """Fault 13: the PUT lands, its answer is lost, the retry meets 412: that is our own object."""
    objects, bucket = s3
    sent: list[AWSPreparedRequest] = []

    def lose_first_answer(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        sent.append(request)
        if len(sent) > 1:
            return None
        assert URLLib3Session().send(request).status_code == 200
        return AWSResponse("", 503, {}, _Body())

    objects._client.meta.events.register("before-send.s3.PutObject", lose_first_answer)
    assert objects.write_if_absent(f"{bucket}/lock", b"mine") is True
    assert len(sent) == 2
    assert S3Objects().write_if_absent(f"{bucket}/lock", b"other") is False


@pytest.mark.integration
def test_slow_down_is_waited_out_but_not_for_ever(s3: tuple[S3Objects, str]) -> None:
    """Fault 12: a storm of 503 is retried; one of 409 on a conditional write, eight times."""
    objects, bucket = s3
    answers = [503, 503]

    def refuse(**_: object) -> AWSResponse | None:
        return AWSResponse("", answers.pop(), {}, _Body()) if answers else None

    objects._client.meta.events.register("before-send.s3.PutObject", refuse)
    objects.write(f"{bucket}/a", b"x")
    assert objects.read(f"{bucket}/a") == b"x"
    answers += [409, 409]
    assert objects.write_if_absent(f"{bucket}/b", b"y") is True
    answers += [403]
    with pytest.raises(ClientError, match="403"):
        objects.write_if_absent(f"{bucket}/c", b"y")


@pytest.mark.integration
def test_a_torn_download_is_tried_again_and_never_short(s3: tuple[S3Objects, str]) -> None:
    """Fault 11: the connection breaks in mid-body; a prefix of the bytes must not pass as all."""
    objects, bucket = s3
    objects.write(f"{bucket}/a", b"the whole")
    torn = [True, True]

    def tear(**_: object) -> AWSResponse | None:
        headers = {"Content-Length": "9"}
        return AWSResponse("", 200, headers, io.BytesIO(b"the")) if torn and torn.pop() else None

    objects._client.meta.events.register("before-send.s3.GetObject", tear)
    assert objects.read(f"{bucket}/a") == b"the whole"
    torn += [True] * 9
    with pytest.raises(IncompleteReadError):
        objects.read(f"{bucket}/a")


class _Body:
    """The body of an answer made by a botocore hook: empty."""

    def stream(self) -> Iterator[bytes]:
        return iter(())

    def read(self, *_: object) -> bytes:
        return b""


def test_a_killed_upload_leaves_the_old_object(tmp_path: Path) -> None:
    """Fault 10: readers see the old bytes while a writer writes, and after it was killed."""
    objects = open_objects(f"dir:{tmp_path}")
    objects.write("s3://bucket/model", b"old")
    fifo = tmp_path / "endless"
    os.mkfifo(fifo)
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from mlops_assets.objects import *;"
            "o = open_objects(sys.argv[1]);"
            "o._place('s3://bucket/model',"
            " lambda t: t.write_bytes(open(sys.argv[2], 'rb').read()), None)",
            f"dir:{tmp_path}",
            str(fifo),
        ]
    )
    with fifo.open("wb") as pipe:  # opens once the writer reads
        pipe.write(b"new")
        pipe.flush()
        assert objects.read("s3://bucket/model") == b"old"
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert objects.read("s3://bucket/model") == b"old"
    assert [info.uri for info in objects.list("s3://bucket")] == ["s3://bucket/model"]


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    objects = open_objects(f"dir:{tmp_path}")
    objects.write("s3://bucket/file", b"x")
    with pytest.raises(NotADirectoryError, match="s3://bucket/file/below"):
        objects.write_if_absent("s3://bucket/file/below", b"y")
    with pytest.raises(FileNotFoundError):
        objects.upload(tmp_path / "none", "s3://bucket/copy")
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_writers_and_deleters_of_one_folder_do_not_trip_over_each_other(tmp_path: Path) -> None:
    """Deleting a folder's last object once removed the folder that a writer had just made."""
    objects = open_objects(f"dir:{tmp_path}")

    def churn(name: int) -> None:
        for _ in range(50):
            objects.write(f"s3://bucket/a/b/{name}", b"x")
            objects.delete(f"s3://bucket/a/b/{name}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(churn, range(4)))
    assert list(objects.list("s3://bucket")) == []


@pytest.mark.parametrize(
    "uri",
    [
        "http://bucket/key",
        "bucket/key",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "s3://UPPER/key",
        "s3://b/key",
        "s3://.tmp/key",
        "s3://a..b/key",
        "s3://bucket//etc/passwd",
        "s3://bucket/../other/key",
        "s3://bucket/a/../../b",
        "s3://bucket/./a",
        "s3://bucket/a//b",
        "s3://bucket/a\nb",
        "s3://bucket/a\x00b",
        "s3://bucket/a\\..\\b",
        "s3://bucket/" + "k" * 1025,
    ],
)
def test_uris_that_could_escape_are_refused_by_name(uri: str, tmp_path: Path) -> None:
    objects = open_objects(f"dir:{tmp_path}")
    with pytest.raises(ValueError, match=r"s3|bucket") as refused:
        parse_uri(uri)
    assert repr(uri) in str(refused.value)
    with pytest.raises(ValueError, match=r"s3|bucket"):
        objects.write(uri, b"x")
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=30))
def test_no_key_leaves_its_bucket(key: str) -> None:
    try:
        bucket, parsed = parse_uri(f"s3://bucket/{key}")
    except ValueError:
        return
    inside = os.path.normpath(f"/root/{bucket}/{parsed}")
    assert inside.startswith("/root/bucket/")


@pytest.mark.parametrize("location", ["", "dir:", "dir:relative", "/abs", "gs", "s3://bucket"])
def test_a_location_that_is_none_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="dir:/absolute/path"):
        open_objects(location)
