"""The asset graph as a newcomer sees it: every station, its checks, and nothing broken."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from mlops_assets.definitions import defs
from mlops_assets_tests.ui.watch import Watch
from mlops_assets_tests.ui.webserver import Webserver

pytestmark = pytest.mark.integration

GRAPH = f"/asset-groups?expanded={quote('mlops_assets:__repository__:flight_delays', safe='')}"
STATIONS = {
    "raw", "clean", "quarantine", "features", "splits", "model", "evaluation",
    "registered_model", "endpoint",
}  # fmt: skip
CHECKED = re.compile(r"Asset checks\s*0 / (\d+) Passed")
CHECKS = {
    "clean": ("quarantine_share", "entity_key_unique", "row_count", "label_share"),
    "evaluation": ("quality", "beats_baselines", "beats_champion", "no_leak"),
}


def declared_checks() -> Counter[str]:
    """How many checks each station of flight_delays declares."""
    keys = defs.resolve_asset_graph().asset_check_keys
    return Counter(
        key.asset_key.path[1] for key in keys if key.asset_key.path[0] == "flight_delays"
    )


def test_graph_shows_every_station_and_its_checks(page: Page, webserver: Webserver, watch: Watch):
    """A station that fails to load, or a check that belongs to no asset, would be missing here."""
    page.goto(webserver.url + GRAPH)
    nodes = page.locator("svg foreignObject")
    expect(nodes).to_have_count(len(STATIONS))
    # The status of checks comes after the nodes.
    expect(nodes.filter(has_text=CHECKED)).to_have_count(len(declared_checks()))
    shown = dict(text.split("Latest event", 1) for text in nodes.all_text_contents())
    assert set(shown) == STATIONS
    # Nothing has run yet, so none has passed; what counts is that each station knows its checks.
    checks = {name: CHECKED.search(text) for name, text in shown.items()}
    assert {name: int(found[1]) for name, found in checks.items() if found} == declared_checks()
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
