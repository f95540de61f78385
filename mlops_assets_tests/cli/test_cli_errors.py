"""Which errors of a command are one line, and which are bugs."""

from botocore.exceptions import ClientError

from mlops_assets.cli.errors import CommandError, words


def refused(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "UpdateModelPackage")


def test_a_permission_that_is_missing_is_one_line_and_a_bug_is_not() -> None:
    """Sixty lines of traceback, at the end of which AWS says who may not do what."""
    said = words(refused("AccessDeniedException", "Ada is not authorized to perform: x"))
    assert said is not None
    assert said.startswith("AWS refuses that: Ada is not authorized to perform: x. `mlops iam`")
    assert words(CommandError("say it otherwise")) == "say it otherwise"
    assert words(refused("ValidationException", "2 validation errors")) is None
    assert words(KeyError("x")) is None
