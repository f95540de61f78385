"""One permission that a request needs, and the names that its resource is made of.

Here: the two records that the tables of services share. Not here: the tables (grants,
sagemaker_grants), the decision (roles).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_assets_tests.deploy.iam import Context


@dataclass(frozen=True)
class Place:
    """Where all this is, as the templates' parameters and outputs say it.

    ``roles``: ARNs by the templates' names of the roles.
    """

    account: str
    region: str
    bucket: str
    key_arn: str
    operations_key_arn: str
    vpc: str
    roles: Mapping[str, str]

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True)
class Grant:
    """One permission; ``role``: whose, by the templates' name, if it is not the caller's."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    role: str = ""
