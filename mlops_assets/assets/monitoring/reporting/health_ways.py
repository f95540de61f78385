"""Where a reader of the report goes on: from part to part, and to the assets in Dagster's UI.

Here: which parts belong together, and which assets are behind each. Not here: the parts
(`health_part`), the page's form (`ml.report.html`).
"""

from collections.abc import Mapping
from urllib.parse import quote

from mlops_assets.assets.monitoring.reporting.health_part import Part
from mlops_assets.ml.report.html import Chapter, Link
from mlops_assets.pipeline import MLPipeline
from mlops_assets.settings import Settings

# {part: parts that explain it or follow from it}
_SEE: Mapping[str, tuple[str, ...]] = {
    "Serving": ("Traffic", "Decisions", "Quality"),
    "Decisions": ("Drift", "Quality", "Staleness"),
    "Quality": ("Calibration", "Staleness", "Drift", "Decisions"),
    "Calibration": ("Quality",),
    "Drift": ("Explanation", "Quality", "Skew"),
    "Skew": ("Drift", "Quality"),
    "Staleness": ("Quality", "Cost"),
    "Bias": ("Quality", "Explanation"),
    "Explanation": ("Drift", "Bias"),
    "Traffic": ("Serving", "Cost"),
    "Cost": ("Traffic", "Staleness"),
}
# {part: assets that it is made of}
_ASSETS: Mapping[str, tuple[str, ...]] = {
    "Serving": ("endpoint", "registered_model"),
    "Quality": ("performance", "ground_truth"),
    "Calibration": ("performance",),
    "Drift": ("drift", "profile"),
    "Skew": ("skew", "captures"),
    "Staleness": ("staleness",),
    "Bias": ("bias",),
    "Explanation": ("explanation",),
    "Traffic": ("endpoint",),
    "Cost": ("model", "endpoint"),
    "ML Test Score": ("scorecard",),
}


def chapter(pipeline: MLPipeline, part: Part, ui: str) -> Chapter:
    """A part's chapter; ``ui`` is the UI's address, without one nothing leads out of the page."""
    links: tuple[Link, ...] = ()
    # Of what is not there yet, the pipeline may have no asset either.
    if ui and part.content:
        links = tuple(
            Link(name, f"{ui}/assets/{quote(pipeline.name)}/{quote(name)}")
            for name in _ASSETS.get(part.name, ())
        )
        if part.name == "Decisions":
            links = (Link("automations", f"{ui}/automation"),)
    return part.chapter(see=_SEE.get(part.name, ()), links=links)


def ui_address() -> str:
    """``MLOPS_UI_URL`` without a slash at its end; empty where nobody declared it."""
    return Settings.load().ui_url
