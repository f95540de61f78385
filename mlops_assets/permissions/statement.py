"""One statement of a policy, with its reason, before it is known whose names it is about.

Here: the statement, the placeholders in its resources, and how they become a pipeline's names.
Not here: which statements there are (the modules beside this one), whole policies (`policy`).

Resources and conditions hold two kinds of placeholders. ``{name}`` and its like are a pipeline's:
they become its names, or ``*`` where the policy is for every pipeline. ``${Bucket}`` and its like
are the deployment's, as CloudFormation writes them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

ARN = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:%s"
_PIPELINES = re.compile(r"(?<!\$)\{(\w+)\}")
# SageMaker's search names have 32 characters, of which the slug gets these.
_SHORT = 16

Condition = Mapping[str, Mapping[str, str | tuple[str, ...]]]


def arn(service: str, resource: str) -> str:
    """The ARN of a resource in this account and region.

    >>> arn("sagemaker", "endpoint/{slug}")
    'arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:endpoint/{slug}'
    """
    return ARN % (service, resource)


def sagemaker(*resources: str) -> tuple[str, ...]:
    return tuple(arn("sagemaker", resource) for resource in resources)


@dataclass(frozen=True, kw_only=True)
class Names:
    """What one pipeline's things are called; ``*`` throughout: every pipeline's.

    Args:
        name: as declared, in keys of the lake's bucket and in tables.
        slug: of endpoint, model, package group, feature group.
        source: {placeholder: value} of where rows and AWS's images come from (`needs` reads it).
    """

    name: str
    slug: str
    source: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        """{placeholder: value}. A name's runs of dashes are one dash in the names of jobs."""
        job = re.sub(r"-+", "-", self.slug).strip("-")
        return {
            "name": self.name,
            "slug": self.slug,
            "job": job,
            "short": job[:_SHORT].rstrip("-"),
            **dict.fromkeys(SOURCES, ""),
            **self.source,
        }


# Placeholders of what comes from elsewhere: a location in S3, a table of Athena's, a database of
# Redshift's, an image of AWS's.
SOURCES = (
    "athena_database",
    "athena_table",
    "athena_workgroup",
    "aws_framework",
    "iceberg_database",
    "iceberg_table",
    "redshift_cluster",
    "redshift_database",
    "redshift_secret",
    "redshift_user",
    "s3_bucket",
    "s3_location",
)
ANY = Names(name="*", slug="*", source=dict.fromkeys(SOURCES, "*"))


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is allowed or denied, and why.

    Args:
        sid: unique within its policy.
        because: one sentence, for whoever reads the policy.
        needs: the feature of a declaration that asks for it (`needs.FEATURES`); empty: every one.
        given: the condition of the deployment under which it is there (`stack.CONDITIONS`).
        condition: as IAM writes it; values may hold the deployment's placeholders.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    because: str
    needs: str = ""
    given: str = ""
    condition: Condition = field(default_factory=dict)
    deny: bool = False

    def for_pipelines(self, pipelines: Sequence[Names]) -> Statement | None:
        """The statement with the pipelines' names; None where it is about none of them."""
        resources = expanded(self.resources, pipelines)
        if not resources:
            return None
        return replace(self, resources=resources)


def expanded(templates: Iterable[str], pipelines: Sequence[Names]) -> tuple[str, ...]:
    """Each template once for each pipeline that it is about; what a wider one covers is left out.

    >>> expanded(["training-job/{job}-*"], [ANY])
    ('training-job/*',)
    >>> expanded(["endpoint/{slug}", "endpoint/{slug}-*"], [Names(name="a_b", slug="a-b")])
    ('endpoint/a-b', 'endpoint/a-b-*')
    """
    found: dict[str, None] = {}
    for template in templates:
        wanted = _PIPELINES.findall(template)
        for names in pipelines if wanted else pipelines[:1]:
            values = names.values
            if all(values[placeholder] for placeholder in wanted):
                text = _filled(template, values)
                # "*-*": every name of ours has a dash.
                found[re.sub(r"\*(-?\*)+", "*", text)] = None
    wide = {each[:-1] for each in found if each.endswith("*")}
    return tuple(each for each in found if not _beginnings(each) & wide)


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _PIPELINES.sub(lambda match: values[match[1]], template)


def _beginnings(text: str) -> set[str]:
    own = len(text) - text.endswith("*")
    return {text[:end] for end in range(own)}


def conflicts(statements: Iterable[Statement]) -> list[str]:
    """Sids that occur twice."""
    sids = sorted(statement.sid for statement in statements)
    return [sid for sid, group in itertools.groupby(sids) if len(list(group)) > 1]
