"""The asset graph as a newcomer sees it: every station, its checks, and nothing broken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from mlops_assets.definitions import defs
from mlops_assets_tests.ui.watch import Watch
from mlops_assets_tests.ui.webserver import Webserver

pytestmark = pytest.mark.integration

STATIONS = {
    "raw", "clean", "quarantine", "features", "splits", "model", "evaluation",
    "registered_model", "endpoint",
}  # fmt: skip
WATCHING = {
    "profile", "drift", "captures", "skew", "ground_truth", "served_profile", "performance",
    "staleness", "bias", "audit", "explanation", "health", "scorecard",
}  # fmt: skip
CHECKED = re.compile(r"Asset checks\s*0 / (\d+) Passed")
CHECKS = {
    "clean": ("quarantine_share", "entity_key_unique", "row_count", "label_share"),
    "evaluation": ("quality", "beats_baselines", "beats_champion", "no_leak"),
    "health": ("healthy",),
}


def graph(group: str) -> str:
    """The page of the graph with one group opened, by the name that Dagster gives it there."""
    return f"/asset-groups?expanded={quote(f'global@global:{group}', safe='')}"


def declared_checks(stations: Collection[str]) -> Counter[str]:
    """How many checks each of these stations of flight_delays declares."""
    keys = defs().resolve_asset_graph().asset_check_keys
    found = (key.asset_key.path for key in keys)
    return Counter(
        name for pipeline, name in found if pipeline == "flight_delays" and name in stations
    )


@pytest.mark.parametrize(
    ("group", "stations"), [("flight_delays", STATIONS), ("flight_delays_monitoring", WATCHING)]
)
def test_graph_shows_every_station_and_its_checks(
    page: Page, webserver: Webserver, watch: Watch, group: str, stations: set[str]
):
    """A station that fails to load, or a check that belongs to no asset, would be missing here."""
    # Only what is in view is drawn.
    page.set_viewport_size({"width": 4200, "height": 3000})
    page.goto(webserver.url + graph(group))
    # Beside the stations there are nodes of groups, opened or not.
    nodes = page.locator("svg foreignObject").filter(has_text="Latest event")
    expect(nodes).to_have_count(len(stations))
    # The status of checks comes after the nodes.
    declared = declared_checks(stations)
    expect(nodes.filter(has_text=CHECKED)).to_have_count(len(declared))
    shown = dict(text.split("Latest event", 1) for text in nodes.all_text_contents())
    assert set(shown) == stations
    # Nothing has run yet, so none has passed; what counts is that each station knows its checks.
    checks = {name: CHECKED.search(text) for name, text in shown.items()}
    assert {name: int(found[1]) for name, found in checks.items() if found} == declared
    assert watch.faults == []


@pytest.mark.parametrize("station", CHECKS)
def test_checks_page_lists_the_declared_checks(
    page: Page, webserver: Webserver, watch: Watch, station: str
):
    """Checks that only exist while a run emits them have no page to look at before it."""
    page.goto(f"{webserver.url}/assets/flight_delays/{station}?view=checks")
    for name in CHECKS[station]:
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    assert watch.faults == []


def test_watch_sees_faults(page: Page, webserver: Webserver, watch: Watch):
    """The control: without it, the other tests' empty lists of faults would prove nothing."""
    page.goto(f"{webserver.url}/server_info")
    page.evaluate("console.error('broken')")
    page.evaluate("fetch('/graphql', {method: 'POST', body: 'not JSON'})")
    page.evaluate("fetch('http://localhost:9/').catch(() => null)")
    page.evaluate("setTimeout(() => { throw new Error('thrown') })")
    page.wait_for_timeout(500)
    for kind in ("console: broken", "status 4", "other host: http://localhost:9/", "uncaught: "):
        assert any(fault.startswith(kind) for fault in watch.faults), (kind, watch.faults)
