"""The declared pipelines, one package each with the declaration as ``pipeline``.

Here: finding them. A new folder beside this file is found by itself; ``MLOPS_PIPELINES`` names
modules that live elsewhere.
"""

import pkgutil
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module

from mlops_assets.pipeline import DeclarationError, MLPipeline


def declared(modules: Iterable[str] = (), environment: str = "") -> tuple[MLPipeline, ...]:
    """The pipelines of this package and of further ``modules``, by name.

    Args:
        environment: of a branch. Its name is put before each pipeline's, so that assets, tables,
            endpoints, model packages and everything else that is named by the pipeline are its own.

    Raises:
        DeclarationError: a module declares no pipeline, or two declare the same name.
    """
    ours = [f"{__name__}.{found.name}" for found in pkgutil.iter_modules(__path__) if found.ispkg]
    pipelines: dict[str, MLPipeline] = {}
    for module in [*ours, *modules]:
        pipeline = getattr(import_module(module), "pipeline", None)
        if not isinstance(pipeline, MLPipeline):
            raise DeclarationError(
                module, "has no `pipeline`", "Assign the MLPipeline to that name in the module"
            )
        if pipeline.name in pipelines:
            raise DeclarationError(
                f"{module}.pipeline.name",
                f"{pipeline.name!r} is declared twice",
                "Give each pipeline a name of its own",
            )
        pipelines[pipeline.name] = pipeline
    if environment:
        return tuple(replace(p, name=f"{environment}_{p.name}") for p in pipelines.values())
    return tuple(pipelines.values())
