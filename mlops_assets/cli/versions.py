"""What `mlops promote` and `mlops rollback` share: the versions of the pipeline that is named."""

from mlops_assets.assets.versions import Versions
from mlops_assets.cli.world import World


def opened(world: World, name: str) -> Versions:
    """The versions of a declared pipeline, and its endpoint."""
    return Versions(
        world.pipeline(name), world.sagemaker, world.store, world.placement, world.signing
    )
