"""The meter's poll against a bare view, over HTTP."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench.clients import Connection
from tests.bench.measure import Prepare, in_turn, rate, ratio, row
from tests.factories import make_user
from tests.live import Site, running_site


def bench_balance(folder: Path) -> None:
    user = make_user("poll@example.com", credits=500)
    environment = {"DJANGO_SETTINGS_MODULE": "tests.bench.settings", "WEB_WORKERS": "1"}
    with running_site(environment, log=folder / "balance.log") as site:
        client = site.client(user)
        page = client.get("/usage").text
        shown = re.search(r'name="v" value="([^"]*)"', page)
        assert shown, "The page shows no meter."
        cookie = f"sessionid={client.cookies['sessionid']}"
        paths = {
            "bare": "/bare",
            "unchanged": f"/credits/balance?v={shown[1]}",
            "changed": "/credits/balance",
        }
        figures = in_turn(
            {
                name: partial(rate, _getting(site, path, cookie), threads=4)
                for name, path in paths.items()
            }
        )
    best = f"{max(figures['unchanged']):.0f}/s at best"
    row("balance unchanged / bare view", ratio(figures, "unchanged", "bare"), "≥ 0.6", best)
    row("balance changed / bare view", ratio(figures, "changed", "bare"))


def _getting(site: Site, path: str, cookie: str) -> Prepare:
    host = site.base_url.removeprefix("http://")
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nHX-Request: true\r\n\r\n"

    def prepare(_: int) -> Callable[[], object]:
        return partial(Connection(site.base_url).ask, head.encode())

    return prepare
