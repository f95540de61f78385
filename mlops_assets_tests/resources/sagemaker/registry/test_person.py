"""Who acts: the name that a second person is told apart by."""

import pytest

from mlops_assets.assets.registered_model import started_by
from mlops_assets.resources.sagemaker.registry.person import UNKNOWN, person, same
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets_tests.aws_server import aws_server, environment

LOCAL = SageMakerResource(local_home="/nowhere")


@pytest.fixture
def ada(monkeypatch: pytest.MonkeyPatch) -> None:
    """git's configuration, by its own variables."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.email")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "ada@example.com")


def test_on_this_machine_it_is_who_commits(ada) -> None:
    assert person(LOCAL) == "ada@example.com"


def test_without_git_it_is_the_user(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("LOGNAME", "grace")
    assert person(LOCAL) == "grace"


@pytest.mark.integration
def test_in_aws_it_is_whom_sts_names_and_not_git(ada, monkeypatch) -> None:
    """Anybody can configure git; a second person must be one whom AWS knows."""
    with aws_server() as url:
        for name, value in environment(url).items():
            monkeypatch.setenv(name, value)
        assert person(SageMakerResource()).startswith("arn:aws:sts::")


@pytest.mark.integration
def test_without_a_way_to_sts_training_goes_on(monkeypatch) -> None:
    for name, value in environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    assert person(SageMakerResource()) == UNKNOWN


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ada@example.com", "Ada@example.com ", True),
        ("ada@example.com", "bob@example.com", False),
        ("unknown", "unknown", False),
        ("", "", False),
    ],
)
def test_a_name_that_is_not_known_is_nobody_s(one, other, expected) -> None:
    assert same(one, other) is expected


def test_what_an_automation_had_trained_any_person_may_approve(ada) -> None:
    """A model that a sensor had trained is not the machine's owner's own work."""
    assert started_by({"dagster/sensor_name": "flights_drift"}, LOCAL) == "sensor flights_drift"
    assert started_by({"dagster/schedule_name": "nightly"}, LOCAL) == "schedule nightly"
    assert started_by({"pipeline": "flights"}, LOCAL) == "ada@example.com"
