"""Settings: one environment variable chooses the world; what is wrong is one clear sentence."""

from pathlib import Path

import pytest

from mlops_assets.definitions import build_resources
from mlops_assets.settings import Settings, SettingsError

AWS = {
    "MLOPS_ENV": "aws",
    "MLOPS_BUCKET": "lake",
    "MLOPS_ROLE_ARN": "arn:aws:iam::123456789012:role/jobs",
    "MLOPS_IMAGE_URI": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlops-assets@sha256:ab",
    "MLOPS_SUBNETS": "subnet-a, subnet-b",
    "MLOPS_SECURITY_GROUPS": "sg-1",
    "MLOPS_KMS_KEY_ARN": "arn:aws:kms:eu-west-1:123456789012:key/1",
}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(("MLOPS_", "AWS_"))]:
        monkeypatch.delenv(name)


def test_local_is_the_default_and_needs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = Settings.load()
    assert settings.is_local
    assert settings.home == tmp_path / ".mlops"
    assert settings.objects == f"dir:{tmp_path}/.mlops/buckets"
    assert settings.lake_catalog["type"] == "sql"
    assert list(tmp_path.iterdir()) == [], "reading settings must not touch the disk"


@pytest.mark.parametrize("missing", [name for name in AWS if name != "MLOPS_ENV"])
def test_aws_names_the_variable_that_is_missing(missing, monkeypatch):
    for name, value in AWS.items():
        if name != missing:
            monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{missing} is not set: MLOPS_ENV=aws needs"):
        Settings.load()


def test_aws_reads_lists_and_endpoints(monkeypatch):
    for name, value in {**AWS, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert settings.subnets == ("subnet-a", "subnet-b")
    assert settings.lake_catalog["warehouse"] == "s3://lake/lake"
    assert settings.lake_catalog["s3.endpoint"] == "http://127.0.0.1:1"
    assert "glue.endpoint" not in settings.lake_catalog


def test_an_unknown_world_is_refused(monkeypatch):
    monkeypatch.setenv("MLOPS_ENV", "azure")
    with pytest.raises(SettingsError, match=r"MLOPS_ENV='azure'.*'local' or 'aws'"):
        Settings.load()


def test_a_misspelt_variable_is_refused(monkeypatch):
    """MLOPS_BUKET would otherwise silently leave the default in place."""
    monkeypatch.setenv("MLOPS_BUKET", "lake")
    with pytest.raises(SettingsError, match="MLOPS_BUKET is not a setting"):
        Settings.load()


def test_settings_are_frozen():
    settings = Settings.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.home = Path("/elsewhere")  # type: ignore[misc]


def test_signing_is_off_until_a_key_is_named(monkeypatch, tmp_path):
    """No disk is touched: a key that is not there is an error where something is signed."""
    assert (Settings.load().signing_key, Settings.load().verify_key) == ("", "")
    monkeypatch.setenv("MLOPS_SIGNING_KEY", "/run/secrets/sign.pem")
    monkeypatch.setenv("MLOPS_VERIFY_KEY", "arn:aws:kms:eu-west-1:123456789012:key/1")
    signing = build_resources(Settings.load(home=tmp_path))["signing"]
    assert signing.signing_key == "/run/secrets/sign.pem"
    assert signing.verify_key == "arn:aws:kms:eu-west-1:123456789012:key/1"
    assert signing.required


def test_a_webhook_is_told_over_https_only_and_its_address_stays_secret(monkeypatch):
    """Whoever reads the address can write to the channel: no repr and no error may show it."""
    monkeypatch.setenv("MLOPS_ALERT_WEBHOOK", "http://hooks.example.com/s3cret")
    with pytest.raises(SettingsError, match=r"MLOPS_ALERT_WEBHOOK=…: .*https") as error:
        Settings.load()
    assert "s3cret" not in str(error.value)
    monkeypatch.setenv("MLOPS_ALERT_WEBHOOK", "https://hooks.example.com/s3cret")
    settings = Settings.load()
    assert settings.alert_webhook.endswith("s3cret")
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in repr(build_resources(settings))


def test_a_webhook_on_this_machine_may_be_plain_http(monkeypatch):
    monkeypatch.setenv("MLOPS_ALERT_WEBHOOK", "http://127.0.0.1:8080/x")
    assert Settings.load().alert_webhook == "http://127.0.0.1:8080/x"


def test_the_address_of_the_ui_is_a_page_and_ends_without_a_slash(monkeypatch):
    """It stands in links of reports: a script there would run for whoever reads them."""
    monkeypatch.setenv("MLOPS_UI_URL", "https://dagster.example.com/team/")
    assert Settings.load().ui_url == "https://dagster.example.com/team"
    for wrong in ("javascript:alert(1)", "dagster.example.com", "https://", "https://x/?a=b"):
        monkeypatch.setenv("MLOPS_UI_URL", wrong)
        with pytest.raises(SettingsError, match=r"MLOPS_UI_URL.* must be the http"):
            Settings.load()
