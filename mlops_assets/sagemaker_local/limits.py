"""Rules that botocore's description does not state, for jobs and resources of every kind.

Belongs here: what a URI and a job's hosts must be like. Does not belong here: anything a shape
states (shapes.py), the rules of one kind of job (training/training_checks.py and its like).
"""

from __future__ import annotations

from mlops_assets.objects import split_uri
from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.errors import invalid, unsupported


def s3_uri(member: str, uri: str) -> str:
    """``uri`` if it is one; ValidationException naming the member for anything else."""
    try:
        split_uri(uri)
    except ValueError as error:
        raise invalid(f"{member}: {error}") from error
    return uri


def check_host_names(cluster: Cluster, *, mounts: bool) -> None:
    """Raise a refusal where the hosts of a job could not find each other: where no file can be
    mounted as their /etc/hosts, this machine's must have their names."""
    unnamed = [] if mounts or len(cluster.hosts) == 1 else cluster.unnamed()
    if unnamed:
        line = f"127.0.0.1 {' '.join(cluster.hosts)}"
        what = f"{len(cluster.hosts)} instances on a machine that allows no mount namespaces"
        raise unsupported(what, f"add the line '{line}' to /etc/hosts, or ask for one instance")
