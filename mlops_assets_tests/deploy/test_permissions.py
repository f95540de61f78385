"""The policies of a declaration: only what it uses, only its own names, within IAM's limits."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest

from mlops_assets.permissions import lake
from mlops_assets.permissions.catalogue import POLICIES, ROLES
from mlops_assets.permissions.needs import FEATURES, features
from mlops_assets.permissions.parameters import CONDITIONS
from mlops_assets.permissions.policy import (
    EVERYTHING,
    LIMIT,
    PolicyError,
    Scope,
    as_policy,
    documents,
    scope,
    size,
    statements,
)
from mlops_assets.permissions.stack import template
from mlops_assets.permissions.statement import Names, Statement, conflicts, sagemaker
from mlops_assets.permissions.template_text import written
from mlops_assets.pipeline import Autoscaling, Batch, Integer, MLPipeline, Tuning
from mlops_assets.pipelines import declared
from mlops_assets.resources.sources import FileSource
from mlops_assets_tests.deploy import iam, requests_made
from mlops_assets_tests.deploy.policy import Statement as Body
from mlops_assets_tests.deploy.template import FOLDER, GIVEN, parse

ROOT = FOLDER.parents[1]
VALUES = {**iam.PSEUDO, **GIVEN, "ExecutionRole.Arn": "arn:ExecutionRole"}
FLIGHTS = next(pipeline for pipeline in declared() if pipeline.name == "flight_delays")


def _bodies(role: str, scope: Scope) -> list[Body]:
    found = [each for policy in ROLES[role] for each in statements(policy, scope)]
    return [as_policy(each, VALUES) for each in found if not each.given]


def _with(**changed: Any) -> MLPipeline:
    return dataclasses.replace(FLIGHTS, **changed)


def _actions(pipeline: MLPipeline, role: str = "DagsterRole") -> set[str]:
    return iam.actions(_bodies(role, scope([pipeline])))


def test_the_stack_is_what_is_generated() -> None:
    """A declaration, or a permission, that changed without `make iam`."""
    assert (FOLDER / "iam.yaml").read_text() == written(template(scope(declared()))), (
        "run: make iam"
    )


def test_the_text_says_what_the_template_says() -> None:
    """A comment or an intrinsic that becomes another thing once it is read back."""
    assert parse(FOLDER / "iam.yaml") == json.loads(json.dumps(template(scope(declared()))))


@pytest.mark.parametrize(
    ("uses", "action", "change"),
    [
        (
            "tuning",
            "sagemaker:CreateHyperParameterTuningJob",
            {
                "tuning": Tuning(
                    ranges={"max_depth": Integer(2, 8)}, metric=min(FLIGHTS.training.metrics)
                )
            },
        ),
        ("batch", "sagemaker:CreateTransformJob", {"batch": Batch()}),
        (
            "autoscaling",
            "application-autoscaling:RegisterScalableTarget",
            {
                "endpoint": dataclasses.replace(
                    FLIGHTS.endpoint, autoscaling=Autoscaling(at_most=3, requests_per_minute=60)
                )
            },
        ),
        (
            "temporary_endpoints",
            "sagemaker:DeleteEndpoint",
            {"endpoint": dataclasses.replace(FLIGHTS.endpoint, stop_when_idle=True)},
        ),
    ],
)
def test_a_feature_brings_its_actions(uses: str, action: str, change: dict[str, Any]) -> None:
    """Rights that stay for what a declaration does not use, or that come too late."""
    changed = _with(**change)
    has = {uses in features(pipeline) for pipeline in (FLIGHTS, changed)}
    assert has == {True, False}
    for pipeline in (FLIGHTS, changed):
        assert (action in _actions(pipeline)) == (uses in features(pipeline))


def test_the_container_reads_features_only_where_they_are_online() -> None:
    """Every endpoint that could ask every feature group."""
    without = _with(endpoint=dataclasses.replace(FLIGHTS.endpoint, online=None))
    assert "sagemaker:BatchGetRecord" not in _actions(without, "ExecutionRole")
    names = Names(name="f", slug="f")
    online = [(names, {"online"})]
    assert "sagemaker:BatchGetRecord" in iam.actions(_bodies("ExecutionRole", online))


def test_nothing_is_captured_without_a_declaration() -> None:
    """An execution role that may write captures for a pipeline that declares none."""
    capturing = _bodies("ExecutionRole", scope([FLIGHTS]))
    silent = _with(endpoint=dataclasses.replace(FLIGHTS.endpoint, capture_share=0))
    key = "arn:aws:s3:::lake/captures/flight_delays/v1/x.jsonl"
    assert iam.allowed(capturing, "s3:PutObject", key)
    assert not iam.allowed(_bodies("ExecutionRole", scope([silent])), "s3:PutObject", key)


def test_one_pipeline_does_not_reach_anothers() -> None:
    """A team whose pipeline deploys over another's endpoint, or reads its rows."""
    own = _bodies("DagsterRole", scope([FLIGHTS]))
    arn = requests_made.arn
    for action, mine, theirs in (
        ("sagemaker:UpdateEndpoint", "endpoint/flight-delays", "endpoint/digits"),
        (
            "sagemaker:StopTrainingJob",
            "training-job/flight-delays-model-1",
            "training-job/digits-1",
        ),
        (
            "sagemaker:CreateModelPackage",
            "model-package-group/flight-delays",
            "model-package-group/digits",
        ),
    ):
        assert iam.allowed(own, action, arn(*mine.split("/", 1)))
        assert not iam.allowed(own, action, arn(*theirs.split("/", 1)))
    for folder in ("records/{}/clean/2013-01.json", "lake/{}.db/clean/data/x.parquet"):
        key = f"arn:aws:s3:::lake/{folder}"
        assert iam.allowed(own, "s3:GetObject", key.format("flight_delays"))
        assert not iam.allowed(own, "s3:GetObject", key.format("digits"))
    table = "arn:aws:glue:us-east-1:111122223333:table/{}/clean"
    assert iam.allowed(own, "glue:UpdateTable", table.format("flight_delays"))
    assert not iam.allowed(own, "glue:UpdateTable", table.format("digits"))


def test_jobs_write_their_outputs_and_nothing_else_of_the_lake() -> None:
    """A training script that could rewrite the rows it was trained on."""
    job = _bodies("ExecutionRole", scope([FLIGHTS]))
    key = "arn:aws:s3:::lake/{}"
    written = key.format("training/flight-delays-model/job-1/output/model.tar.gz")
    data = key.format("datasets/flight_delays/0123/train/part-0.parquet")
    assert iam.allowed(job, "s3:PutObject", written)
    assert iam.allowed(job, "s3:GetObject", data)
    assert not iam.allowed(job, "s3:PutObject", data)
    for other in ("lake/flight_delays.db/x", "records/flight_delays/x", "datasets/digits/x"):
        assert not iam.allowed(job, "s3:GetObject", key.format(other))


def test_manual_approval_is_held_by_iam() -> None:
    """A declaration says that a person approves, and the code that reads it has a mistake."""
    approved = {"sagemaker:ModelApprovalStatus": "Approved"}
    group = requests_made.arn("model-package-group", "flight-delays")
    for approval, passes in (("auto", True), ("manual", False)):
        role = _bodies("DagsterRole", scope([_with(approval=approval)]))
        assert iam.allowed(role, "sagemaker:CreateModelPackage", group, approved) == passes


def _folders() -> set[str]:
    """First folders of the bucket that the code names: ``store.uri("records", …)``."""
    code = [file.read_text() for file in (ROOT / "mlops_assets").rglob("*.py")]
    return {match[1] for text in code for match in re.finditer(r'\.uri\(\s*"([a-z-]+)",', text)}


def test_every_folder_of_a_pipeline_is_allowed() -> None:
    """A station that stores below a new folder works here, and is refused in AWS."""
    assert {"records", "captures", "datasets"} <= _folders()
    said = {resource for each in lake.LAKE for resource in each.resources}
    assert [f for f in sorted(_folders()) if f"{lake.BUCKET}/{f}/{{name}}/*" not in said] == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("which", ["declared", "everything"])
def test_policies_fit_into_iam(role: str, which: str) -> None:
    """IAM says that a policy is too large only when the stack is made."""
    wide = EVERYTHING if which == "everything" else scope(declared())
    parts = [each for policy in ROLES[role] for each in documents(policy, wide).values()]
    assert parts or (role == "SparkRole" and which == "declared")
    assert all(size(part) <= LIMIT for part in parts)


def test_what_is_too_large_is_cut_and_keeps_its_denials() -> None:
    """The tenth pipeline of a role: a stack that fails, or a part that denies nothing."""
    many: Scope = [
        (Names(name=f"pipeline_of_the_team_{n}", slug=f"pipeline-of-the-team-{n}"), FEATURES)
        for n in range(6)
    ]
    parts = documents("ServingPolicy", many)
    assert list(parts)[:2] == ["ServingPolicy", "ServingPolicy2"]
    for part in parts.values():
        assert size(part) <= LIMIT
        assert "NothingOutsideTheNetwork" in {each.sid for each in part}
    whole = {each.sid for each in statements("ServingPolicy", many)}
    assert {each.sid for part in parts.values() for each in part} == whole


def test_too_many_pipelines_are_refused_with_the_remedy() -> None:
    """A role with more policies than IAM attaches to one."""
    many: Scope = [(Names(name=f"p{n}", slug=f"p{n}"), FEATURES) for n in range(60)]
    with pytest.raises(PolicyError, match="--any"):
        template(many)


def test_unknown_features_are_refused() -> None:
    """`--with bacth`, and a policy without what was asked for."""
    with pytest.raises(PolicyError, match="'bacth' is no feature"):
        scope([FLIGHTS], ["bacth"])


@pytest.mark.parametrize("policy", POLICIES)
def test_statements_are_told_apart_and_give_their_reason(policy: str) -> None:
    """A Sid that occurs twice, which IAM refuses; a feature or condition that does not exist."""
    found = POLICIES[policy].statements
    assert conflicts(found) == []
    for statement in found:
        assert statement.because.endswith("."), statement.sid
        assert not statement.needs or statement.needs in FEATURES, statement.sid
        assert not statement.given or statement.given in CONDITIONS, statement.sid


def test_every_feature_is_some_statements() -> None:
    """A feature that is read of declarations and changes nothing."""
    used = {each.needs for policy in POLICIES.values() for each in policy.statements}
    assert set(FEATURES) == used - {""}


def test_names_of_long_pipelines_are_cut_as_sagemaker_cuts_them() -> None:
    """A search whose name has 16 characters of the pipeline's, and a policy that waits for all."""
    names = Names(name="flight_delays_of_all_airlines", slug="flight-delays-of-all-airlines")
    statement = Statement(
        sid="Search", actions=("x",), resources=sagemaker("job/{short}-*"), because="."
    )
    narrowed = statement.for_pipelines([names])
    assert narrowed is not None
    assert narrowed.resources[0].endswith("job/flight-delays-of-*")


def test_the_source_of_rows_is_read_and_no_other() -> None:
    """Whoever may read one source that is declared may read every bucket of the account."""
    delivered = FileSource(location="s3://deliveries/flights/", pattern="{partition}.csv")
    own = _bodies("DagsterRole", scope([_with(source=delivered)]))
    assert iam.allowed(own, "s3:GetObject", "arn:aws:s3:::deliveries/flights/2013-01.csv")
    assert not iam.allowed(own, "s3:GetObject", "arn:aws:s3:::deliveries/salaries/2013-01.csv")
    assert not iam.allowed(own, "s3:GetObject", "arn:aws:s3:::others/flights/2013-01.csv")
