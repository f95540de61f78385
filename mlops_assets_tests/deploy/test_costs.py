"""The table of what the platform costs at rest adds up, and counts what the templates make."""

from __future__ import annotations

import re

from mlops_assets_tests.deploy.template import FOLDER, parse

README = (FOLDER.parent / "README.md").read_text()
_ROW = re.compile(r"^\| ([^|]+) \| ([^|]*) \| \**(\d+)\** \|$", re.M)
ROWS = {what.strip("* "): (how, int(usd)) for what, how, usd in _ROW.findall(README)}


def test_the_parts_add_up() -> None:
    """A part that was added to the table and not to its sum."""
    names = list(ROWS)
    parts = names[: names.index("the platform")]
    assert len(parts) == 10
    assert sum(ROWS[name][1] for name in parts) == ROWS["the platform"][1]


def test_endpoints_are_counted() -> None:
    """An endpoint that is added for a new service: 15 dollars a month that the table hides."""
    endpoints = [
        resource
        for resource in parse(FOLDER / "network.yaml")["Resources"].values()
        if resource["Type"] == "AWS::EC2::VPCEndpoint"
        and resource["Properties"]["VpcEndpointType"] == "Interface"
    ]
    always = [each for each in endpoints if "Condition" not in each]
    assert ROWS["VPC interface endpoints"][0].startswith(f"{len(always)} × 2 zones")
    more = len(endpoints) - len(always)
    assert ROWS["`MoreEndpoints=yes`"][0].startswith(f"{more} × 2 zones")
