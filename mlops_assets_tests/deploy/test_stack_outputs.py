"""What the stacks put out is what the settings read, and all that they need."""

from __future__ import annotations

import pytest

from mlops_assets.settings import Settings, SettingsError
from mlops_assets_tests.deploy.template import platform

OUTPUTS = platform()["Outputs"]


def _outputs(*, conditional: bool) -> dict[str, str]:
    return {
        output["Description"]: "value"
        for output in OUTPUTS.values()
        if output["Description"].startswith("MLOPS_") and ("Condition" in output) == conditional
    }


# Some settings are held to a form.
_VALUES = {
    "MLOPS_EVENTS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/mlops-events",
    "MLOPS_METRICS_NAMESPACE": "mlops_assets/monitor",
    "MLOPS_UI_URL": "https://dagster.example.com",
}
NEEDED = {
    "MLOPS_BUCKET",
    "MLOPS_IMAGE_URI",
    "MLOPS_KMS_KEY_ARN",
    "MLOPS_ROLE_ARN",
    "MLOPS_SECURITY_GROUPS",
    "MLOPS_SUBNETS",
}


@pytest.fixture
def in_aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("MLOPS_ENV", "aws")
    for name, value in _outputs(conditional=False).items():
        monkeypatch.setenv(name, _VALUES.get(name, value))
    return monkeypatch


@pytest.mark.usefixtures("in_aws")
def test_outputs_are_all_that_the_settings_need() -> None:
    """A stack whose outputs leave a setting to be found out about deep inside a call to AWS."""
    assert Settings.load().bucket == "value"


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_each_of_them_is_needed(in_aws: pytest.MonkeyPatch, name: str) -> None:
    """Settings that are not looked at would let the test above pass for nothing."""
    assert name in _outputs(conditional=False)
    in_aws.delenv(name)
    with pytest.raises(SettingsError, match=name):
        Settings.load()


def test_a_given_signing_key_is_read(in_aws: pytest.MonkeyPatch) -> None:
    """A key that the stack allows to sign with and that no process ever signs with."""
    for name, value in _outputs(conditional=True).items():
        in_aws.setenv(name, _VALUES.get(name, value))
    settings = Settings.load()
    assert (settings.signing_key, settings.verify_key) == ("value", "value")
