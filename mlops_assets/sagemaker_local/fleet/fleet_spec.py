"""What an endpoint is to run, resolved: it starts without looking anything up.

Belongs here: variants and fleets as values, to and from the store's documents. Does not belong
here: resolving a configuration (models.py), running it (hosting.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from mlops_assets.sagemaker_local.store import Document


@dataclass(frozen=True)
class VariantSpec:
    """A variant with its model resolved; ``start_limit`` in seconds.

    ``serverless``: the variant's ServerlessConfig, if it has one.
    """

    name: str
    image: str
    model_data_url: str | None
    environment: Mapping[str, str]
    instances: int
    weight: float
    start_limit: float
    instance_type: str | None = None
    serverless: Document | None = None


@dataclass(frozen=True)
class FleetSpec:
    """All variants of an endpoint configuration, for one endpoint.

    ``shadows`` get copies of requests; ``capture`` is the configuration's DataCaptureConfig, if it
    is switched on; ``asynchronous`` its AsyncInferenceConfig, if it has one.
    """

    endpoint: str
    config: str
    variants: tuple[VariantSpec, ...]
    shadows: tuple[VariantSpec, ...] = ()
    capture: Document | None = None
    asynchronous: Document | None = None

    def counts(self) -> dict[str, int]:
        """Instances by production variant."""
        return {variant.name: variant.instances for variant in self.variants}

    def changed(self, weights: Mapping[str, float], counts: Mapping[str, int]) -> FleetSpec:
        """With other weights and instance counts for the variants named."""
        variants = tuple(
            replace(
                variant,
                weight=weights.get(variant.name, variant.weight),
                instances=counts.get(variant.name, variant.instances),
            )
            for variant in self.variants
        )
        return replace(self, variants=variants)

    def document(self) -> Document:
        """As the store gives it back: JSON has no tuples."""
        lists = {"variants": self.variants, "shadows": self.shadows}
        return asdict(self) | {
            name: [asdict(variant) for variant in variants] for name, variants in lists.items()
        }


def fleet_spec(document: Document) -> FleetSpec:
    """The inverse of FleetSpec.document."""
    return FleetSpec(
        document["endpoint"],
        document["config"],
        tuple(VariantSpec(**variant) for variant in document["variants"]),
        tuple(VariantSpec(**variant) for variant in document.get("shadows", ())),
        document.get("capture"),
        document.get("asynchronous"),
    )
