"""Who reaches which webserver, as the stacks deploy it and as `mlops ui` starts it (demand 11)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlops_assets.cli.ui import _commands
from mlops_assets_tests.deploy.template import FOLDER, parse

INGRESS = parse(FOLDER / "ingress.yaml")["Resources"]
DAGSTER = parse(FOLDER / "dagster.yaml")["Resources"]


def webservers() -> dict[str, list[Any]]:
    """{the container's name: its command} of each task that is a webserver."""
    return {
        container["Name"]: container["Command"]
        for resource in DAGSTER.values()
        if resource["Type"] == "AWS::ECS::TaskDefinition"
        for container in resource["Properties"]["ContainerDefinitions"]
        if "dagster-webserver" in container.get("Command", [])
    }


def behind(rule: str) -> str:
    """The target group that a rule leads to."""
    return INGRESS[rule]["Properties"]["Actions"][-1]["TargetGroupArn"]["Ref"]


def test_everybody_gets_the_webserver_that_reads() -> None:
    """The two commands or target groups swapped: everybody could launch, wipe and delete."""
    commands = webservers()
    assert {name: "--read-only" in command for name, command in commands.items()} == {
        "readers": True,
        "writers": False,
    }
    assert (behind("ReadersRule"), behind("WritersRule")) == ("ReadersTargets", "WritersTargets")
    hosts = {
        rule: json.dumps(INGRESS[rule]["Properties"]["Conditions"])
        for rule in ("ReadersRule", "WritersRule")
    }
    assert "write." in hosts["WritersRule"]
    assert "write." not in hosts["ReadersRule"]


def test_nobody_gets_in_without_a_name() -> None:
    """A rule that forwards before it asks, a default that forwards, or a listener without TLS."""
    for resource in INGRESS.values():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::ListenerRule":
            kinds = [each["Type"] for each in sorted(properties["Actions"], key=_order)]
            assert kinds == ["authenticate-oidc", "forward"]
            asked = properties["Actions"][0]["AuthenticateOidcConfig"]
            assert asked["OnUnauthenticatedRequest"] == "authenticate"
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::Listener":
            (default,) = properties["DefaultActions"]
            expected = "redirect" if properties["Protocol"] == "HTTP" else "fixed-response"
            assert default["Type"] == expected


def _order(action: dict[str, Any]) -> int:
    return int(action["Order"])


def test_on_ones_own_machine_nobody_else_reaches_it() -> None:
    """A webserver on all interfaces of a laptop in a café."""
    for command in _commands(3000, Path("workspace.yaml"), daemon=False):
        assert command[command.index("-h") + 1] == "127.0.0.1"
