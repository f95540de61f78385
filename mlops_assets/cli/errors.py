"""Which errors are the user's to mend, and so are shown as one line instead of a traceback."""

from botocore.exceptions import ClientError

from mlops_assets.assets.rolling_back import NothingToRollBack
from mlops_assets.assets.versions import NoSuchVersion
from mlops_assets.permissions.policy import PolicyError
from mlops_assets.pipeline import DeclarationError
from mlops_assets.replay.plan import ReplayError
from mlops_assets.resources.records import RecordNotFound
from mlops_assets.resources.sagemaker.hosting.endpoints import DeploymentFailed
from mlops_assets.resources.sagemaker.registry.registry import RegistryError
from mlops_assets.resources.sagemaker.registry.signing import SigningError
from mlops_assets.resources.sources import SourceError
from mlops_assets.settings import SettingsError


class CommandError(Exception):
    """A command cannot do what was asked; the message says what to do instead."""


EXPECTED = (
    CommandError,
    DeclarationError,
    DeploymentFailed,
    NoSuchVersion,
    NothingToRollBack,
    PolicyError,
    RecordNotFound,
    RegistryError,
    ReplayError,
    SettingsError,
    SigningError,
    SourceError,
)
_REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


def words(error: Exception) -> str | None:
    """What to say of an error; None of a bug, whose traceback is wanted."""
    if isinstance(error, EXPECTED):
        return str(error)
    if isinstance(error, ClientError) and error.response["Error"].get("Code") in _REFUSED:
        # AWS names who asked, the action and the resource.
        said = error.response["Error"].get("Message", str(error))
        return f"AWS refuses that: {said}. `mlops iam` prints the policies, approvals' among them"
    return None
