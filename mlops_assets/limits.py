"""What jobs and endpoints may ask of SageMaker at most: the bounds, and whether they are kept.

Here: `Limits`, of the platform (by settings) or of one pipeline (by declaration). Not here: reading
a request, what was spent (`resources.sagemaker.jobs.guard`), prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mlops_assets.declaration import require


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on each request; what is left out is not bounded.

    Args:
        instance_types: patterns of what may be asked for, such as ``ml.m5.*``.
        instances: of one job, or one endpoint's configuration, at most at a time.
        hours: of one job at most: its longest run time × its instances.
        usd_per_day: what a pipeline's jobs of a UTC day may cost, by list price.
    """

    instance_types: tuple[str, ...] = ()
    instances: int | None = None
    hours: float | None = None
    usd_per_day: float | None = None

    def __post_init__(self) -> None:
        for name in ("instances", "hours", "usd_per_day"):
            value = getattr(self, name)
            require(
                value is None or value > 0,
                f"limits.{name}",
                f"{value} lets nothing run",
                "Give a number above 0, or leave it out",
            )
        for pattern in self.instance_types:
            require(
                pattern.startswith("ml."),
                "limits.instance_types",
                f"{pattern!r} matches no instance of SageMaker",
                "Write it as in ml.m5.xlarge or ml.m5.*",
            )

    def __bool__(self) -> bool:
        """Whether anything is bounded."""
        return self != Limits()

    def broken(
        self, instance_types: Sequence[str], instances: int, hours: float | None
    ) -> Iterator[tuple[str, str]]:
        """(bound, what breaks it) of each that a request breaks.

        Args:
            hours: None where the request cannot be bounded in time.

        >>> list(Limits(instances=2).broken(["ml.m5.large"], 4, 1.0))
        [('instances', '4 instances, and 2 are allowed')]
        """
        for name in instance_types:
            if self.instance_types and not any(fnmatchcase(name, p) for p in self.instance_types):
                allowed = ", ".join(self.instance_types)
                yield "instance_types", f"{name}, and {allowed} are allowed"
        if self.instances is not None and instances > self.instances:
            yield "instances", f"{instances} instances, and {self.instances} are allowed"
        if self.hours is not None and hours is not None and hours > self.hours:
            yield "hours", f"up to {hours:,.4g} instance-hours, and {self.hours:,.4g} are allowed"
