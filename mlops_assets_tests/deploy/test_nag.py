"""What cdk-nag's findings are taken for. The rules themselves need Node.js: `make lint-nag`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mlops_assets_tests.delivery.scripts import script
from mlops_assets_tests.deploy.template import FILES, parse

nag = script("deploy/nag.py")
KNOWN = nag.Acknowledgement("AwsSolutions-SQS3", "events/Dead", "It is the dead-letter queue")
FOUND = nag.Finding("events/Dead", "AwsSolutions-SQS3", "The queue has no dead-letter queue.")


def test_what_nobody_acknowledged_is_wrong() -> None:
    """A finding that drowns among those that are known."""
    other = nag.Finding("events/Events", "AwsSolutions-SQS3", "The queue has no dead-letter queue.")
    assert nag.judged([FOUND, other], [KNOWN]) == [
        "events/Events: AwsSolutions-SQS3: The queue has no dead-letter queue."
    ]


def test_what_is_not_found_any_more_is_not_acknowledged() -> None:
    """An excuse that outlives its reason, and lets the next finding pass."""
    assert nag.judged([FOUND], [KNOWN]) == []
    (wrong,) = nag.judged([], [KNOWN])
    assert "acknowledges AwsSolutions-SQS3 at events/Dead" in wrong


def test_findings_are_read_from_the_report(tmp_path: Path) -> None:
    """A report of another form, read as one without findings."""
    report = tmp_path / "validation-report.json"
    violation = {
        "ruleName": FOUND.rule,
        "description": FOUND.words,
        "violatingConstructs": [{"constructPath": "events/template/Dead"}],
    }
    report.write_text(json.dumps({"pluginReports": [{"violations": [violation]}]}))
    assert nag.read(report) == [FOUND]
    report.write_text("{}")
    with pytest.raises(KeyError):
        nag.read(report)


@pytest.mark.parametrize("known", nag.ACKNOWLEDGED, ids=lambda known: known.where)
def test_acknowledgements_are_of_resources_that_exist(known: nag.Acknowledgement) -> None:
    """A reason for a resource that was renamed, found only where there is Node.js."""
    names = [f"{path.stem}/{name}" for path in FILES for name in parse(path)["Resources"]]
    names += [path.stem for path in FILES]
    assert any(re.fullmatch(known.where, name) for name in names)
    assert len(known.because) > 20
