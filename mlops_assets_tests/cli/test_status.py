"""What `mlops status` shows of a group with a history; the ordinary case is test_commands' demo."""

from mlops_assets.cli.status import _telling
from mlops_assets.resources.sagemaker.registry.lifecycle_state import Standing, State


def standing(version: int, state: State, term: int = 0) -> Standing:
    return Standing(term, version, f"arn:{version}", state)


def test_the_champion_and_the_way_back_are_shown_however_old() -> None:
    """A group whose newest versions all lost: which one serves would not be told."""
    group = [
        standing(1, "previous", 1),
        standing(2, "previous", 3),
        standing(3, "champion", 4),
        *(standing(version, "approved") for version in range(4, 11)),
    ]
    assert [each.version for each in _telling(group)] == [10, 9, 8, 7, 6, 3, 2]


def test_a_group_without_a_champion_shows_its_newest() -> None:
    assert [each.version for each in _telling([standing(1, "candidate")])] == [1]
    assert _telling([]) == []
