"""Who acts: the name that the registry keeps of whoever trained a model, or decided about it.

Here: finding that name out, and whether two names are one person. Not here: who may do what (IAM).
"""

import getpass
import shutil
import subprocess

from mlops_assets.resources.sagemaker.session import SageMakerResource

UNKNOWN = "unknown"


def person(sagemaker: SageMakerResource) -> str:
    """The caller's identity: in AWS what STS says, on this machine git's address, or the user.

    Only AWS's word is proof. On this machine anybody can say to be anybody, and the name is a note.
    """
    if not sagemaker.is_local:
        return _caller(sagemaker.region)
    return _git("user.email") or getpass.getuser()


def same(one: str, other: str) -> bool:
    """Whether two names are one person's; a name that is not known is nobody's."""
    return one.strip().lower() == other.strip().lower() and one not in ("", UNKNOWN)


def _caller(region: str) -> str:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 2})
    try:
        client = boto3.client("sts", region_name=region, config=config)
        return str(client.get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError):
        # A network without a way to STS must not stop a training.
        return UNKNOWN


def _git(name: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    found = subprocess.run(
        [git, "config", "--get", name], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()
