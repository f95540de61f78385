"""cdk-nag's rules (AwsSolutions) over the plain templates: `make lint-nag`.

Here: the stacks as cdk-nag wants them, and which of its findings are acknowledged, each with its
reason. Not here: the templates, our own rules (mlops_assets_tests/deploy). Runs in an environment
of its own (deploy/requirements-nag.lock), and needs Node.js.

The exit status is 0 only if every finding is acknowledged and every acknowledgement is of one.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

TEMPLATES = Path(__file__).parent / "cloudformation"


@dataclass(frozen=True, order=True)
class Finding:
    """What cdk-nag says about a resource."""

    where: str
    rule: str
    words: str


@dataclass(frozen=True)
class Acknowledgement:
    """Findings that are known: regular expressions for rule and place, and why they may be."""

    rule: str
    where: str
    because: str

    def of(self, finding: Finding) -> bool:
        return bool(
            re.fullmatch(self.rule, finding.rule) and re.fullmatch(self.where, finding.where)
        )


_WILDCARD = r"AwsSolutions-IAM5\[.*\]"
ACKNOWLEDGED = (
    Acknowledgement(
        _WILDCARD,
        r"iam/\w+Policy\d*",
        "Names that only SageMaker, ECS and S3 complete, behind a prefix of the pipeline's; each "
        "statement has its reason in mlops_assets/permissions, and test_permissions narrows them",
    ),
    Acknowledgement(
        _WILDCARD,
        "(catalog/LocationPolicy|mlflow/MlflowPolicy|sagemaker/StudioPolicy)",
        "Objects below one folder of the lake, tables and packages of the account, to read",
    ),
    Acknowledgement(
        _WILDCARD,
        "branches/Branch(Lake|Things)Policy",
        "Names of environments (pr and a digit), in SageMaker the tag beside them; lists have no "
        "resource level",
    ),
    Acknowledgement(
        _WILDCARD,
        "(firehose/RowsPolicy|search/CopierPolicy)",
        "Objects of two folders; the interfaces by which Lambda joins a VPC have no names before "
        "they are made, and the function's own code is denied them",
    ),
    Acknowledgement(
        _WILDCARD,
        "cicd/(BuildPolicy|DeliveryPolicy|ImagesPolicy)",
        "Objects of the stages' own bucket, reports by prefix; a login is to the whole registry",
    ),
    Acknowledgement(
        _WILDCARD,
        "database/MonitoringPolicy",
        "The streams of one log group, which RDS names by itself",
    ),
    Acknowledgement(
        _WILDCARD,
        "release/(ReleaserPolicy|StackPolicy)",
        "The id that CloudFormation adds to a stack, services and task definitions of one cluster; "
        "ECS gives old task definitions no resource level",
    ),
    Acknowledgement(
        r"AwsSolutions-IAM4\[.*AWSBackupServiceRolePolicyForBackup\]",
        "backup/BackupRole",
        "AWS keeps the rights of AWS Backup in step with what it can copy",
    ),
    Acknowledgement(
        "AwsSolutions-EC23",
        "(ingress/LoadBalancer|network/Endpoints|search/Search|spark/SparkEndpoint)SecurityGroup",
        "The range is a parameter, which cdk-nag cannot look into: ours is the VPC's, and one that "
        "may not be wider than a /8 and has no default",
    ),
    Acknowledgement(
        "AwsSolutions-ECS2",
        r"dagster/\w+Task",
        "What stands in the environment is addresses and names; the password is a secret (a test "
        "holds that)",
    ),
    Acknowledgement(
        "AwsSolutions-SQS3",
        "(events/DeadEventsQueue|search/DeadLogs)",
        "It is the dead-letter queue itself",
    ),
    Acknowledgement(
        "AwsSolutions-CB5",
        "cicd/(Tests|Images|Release)",
        "The image is a parameter, which the rule cannot look into; its default is AWS's standard",
    ),
    Acknowledgement(
        "F303[12]",
        "ecr/Copies",
        "It is looked at with no account given, and made only where there is one",
    ),
    Acknowledgement(
        "W2509",
        "(dagster|iam|ingress)",
        "Names and ARNs of secrets, which are none themselves",
    ),
)


def judged(
    findings: Iterable[Finding], acknowledged: Sequence[Acknowledgement] = ACKNOWLEDGED
) -> list[str]:
    """What is wrong: findings that nobody acknowledged, and acknowledgements of nothing."""
    found = sorted(set(findings))
    wrong = [
        f"{each.where}: {each.rule}: {each.words}"
        for each in found
        if not any(known.of(each) for known in acknowledged)
    ]
    return wrong + [
        f"deploy/nag.py acknowledges {known.rule} at {known.where}, which is not found any more"
        for known in acknowledged
        if not any(known.of(each) for each in found)
    ]


def read(report: Path) -> list[Finding]:
    """The findings of cdk-nag's report."""
    return [
        Finding(
            where["constructPath"].replace("/template/", "/"),
            violation["ruleName"],
            _words(violation),
        )
        for plugin in json.loads(report.read_text())["pluginReports"]
        for violation in plugin["violations"]
        for where in violation["violatingConstructs"]
    ]


def _words(violation: dict[str, str]) -> str:
    return violation.get("description", "")


def look(templates: Iterable[Path], out: Path) -> list[Finding]:
    """Every finding about these templates."""
    import aws_cdk as cdk
    from aws_cdk import cloudformation_include
    from cdk_nag import AwsSolutionsChecks

    app = cdk.App(outdir=str(out), analytics_reporting=False)
    for path in templates:
        stack = cdk.Stack(app, path.stem)
        cloudformation_include.CfnInclude(stack, "template", template_file=str(path))
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        # Findings are an error, too: the report has them.
        if "ValidationFailed" not in str(error):
            raise
    return read(out / "validation-report.json")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mlops-nag-") as scratch:
        templates = sorted(TEMPLATES.glob("*.yaml"))
        findings = look(templates, Path(scratch))
    wrong = judged(findings)
    print("\n".join(wrong))
    known = f"{len(findings)} findings in {len(templates)} templates, {len(wrong)} unacknowledged"
    print(f"cdk-nag: {known}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
