"""How large a run's task on Fargate is: by tags, the greatest of several, as one that exists.

Here: the tags ``ecs/cpu`` and ``ecs/memory``, and Fargate's table. Not here: whose tags they are,
and starting a task (`resources.run_launcher`). It imports nothing: Dagster's daemon loads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CPU_TAG, MEMORY_TAG = "ecs/cpu", "ecs/memory"
TAGS = (CPU_TAG, MEMORY_TAG)

_GIB = 1024
# CPU units (1,024 a core): MiB of memory from, to, in steps of. By ECS's developer guide,
# "Task CPU and memory"; .25 cores have 512 MiB, 1 or 2 GiB.
_FARGATE: Mapping[int, tuple[int, ...]] = {
    256: (512, 1 * _GIB, 2 * _GIB),
    512: tuple(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}


class NoSuchSize(ValueError):
    """A tag is no number, or Fargate has no task that is large enough."""


@dataclass(frozen=True)
class Size:
    """CPU units (1,024 a core) and MiB of memory."""

    cpu: int
    memory: int

    @property
    def tags(self) -> dict[str, str]:
        return {CPU_TAG: str(self.cpu), MEMORY_TAG: str(self.memory)}


def declared(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of some tags that are about size."""
    return {tag: tags[tag] for tag in TAGS if tag in tags}


def of_tags(tags: Mapping[str, str], default: Size) -> Size:
    """What some tags ask for; what they leave out is as in ``default``.

    Raises:
        NoSuchSize: a tag is no whole number above 0.

    >>> of_tags({"ecs/memory": "30720"}, Size(2048, 8192))
    Size(cpu=2048, memory=30720)
    """
    return Size(
        _number(CPU_TAG, tags.get(CPU_TAG), default.cpu),
        _number(MEMORY_TAG, tags.get(MEMORY_TAG), default.memory),
    )


def greatest(sizes: Iterable[Size]) -> Size:
    """The most CPU and the most memory of at least one size.

    >>> greatest([Size(4096, 8192), Size(1024, 30720)])
    Size(cpu=4096, memory=30720)
    """
    found = list(sizes)
    return Size(max(each.cpu for each in found), max(each.memory for each in found))


def on_fargate(size: Size) -> Size:
    """The smallest task of Fargate that has at least that much of both.

    Raises:
        NoSuchSize: no task has.

    >>> on_fargate(Size(2048, 30720))
    Size(cpu=4096, memory=30720)
    >>> on_fargate(Size(3000, 5000))
    Size(cpu=4096, memory=8192)
    """
    for cpu, memories in _FARGATE.items():
        for memory in memories:
            if cpu >= size.cpu and memory >= size.memory:
                return Size(cpu, memory)
    largest = Size(max(_FARGATE), max(_FARGATE[max(_FARGATE)]))
    raise NoSuchSize(
        f"{CPU_TAG} {size.cpu} with {MEMORY_TAG} {size.memory} is more than a task of Fargate has: "
        f"at most {largest.cpu} and {largest.memory}. Ask for less, or run `clean` and `features` "
        "on Spark (`engine`)"
    )


def _number(tag: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    # Of digits only: int() also reads "1_0", " 7" and digits of other scripts.
    if not (text.isascii() and text.isdigit() and int(text)):
        unit = "CPU units, 1,024 a core" if tag == CPU_TAG else "MiB"
        raise NoSuchSize(f"the tag {tag} is {text!r}: give a whole number ({unit}) above 0")
    return int(text)
