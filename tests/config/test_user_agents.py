"""What people read of a User-Agent."""

import pytest

from config.user_agents import describe

#: What browsers send, and what is shown of it.
AGENTS = """
Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0 | Firefox on Linux
Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0 Safari/537.36 | Chrome on Windows
Mozilla/5.0 (Windows NT 10.0) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0 | Edge on Windows
Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/26.0 Safari/605.1.15 | Safari on macOS
Mozilla/5.0 (iPhone; like Mac OS X) CriOS/142.0 Safari/604.1 | Chrome on iPhone
Mozilla/5.0 (Linux; Android 10; K) SamsungBrowser/29.0 Chrome/136.0 | Samsung Internet on Android
curl/8.14.1 | curl
python-httpx/0.28.1 | python-httpx
Tally for Linux | Tally on Linux
 | An unknown program
"""
ROWS = [line.split(" | ") for line in AGENTS.splitlines() if line]


@pytest.mark.parametrize(("agent", "words"), [*ROWS, ("x" * 200, "x" * 30)])
def test_the_browser_and_the_system_are_named(agent: str, words: str) -> None:
    assert describe(agent) == words
