"""Permissions that no test of this folder uses, and why that is as it should be.

Here: the reasons, and the table that is printed. Not here: the count (roles). A permission that is
used now, or that no policy has any more, has to go from here: a test holds that.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlops_assets_tests.aws.authority.roles import Permission

_RARE = "only when something goes wrong"
UNUSED: dict[tuple[str, str], str] = {}


def table(unused: Iterable[Permission]) -> str:
    """One line a permission, with its reason."""
    lines = [
        f"{each.role:14} {each.policy:15} {each.sid:24} {each.action:45} "
        f"{UNUSED.get((each.role, each.action), '(another statement gives it, or NO REASON)')}"
        for each in sorted(unused)
    ]
    return "\n".join([f"{len(lines)} permissions of statements that no test used:", *lines])
