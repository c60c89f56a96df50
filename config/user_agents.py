"""What people read of a User-Agent: the browser and the system, as "Firefox on Linux"."""

import re

#: The first pattern that occurs decides: most browsers name several others too.
BROWSERS = {
    r"Edg\w*/": "Edge",
    r"OPR/": "Opera",
    r"SamsungBrowser/": "Samsung Internet",
    r"Firefox/|FxiOS/": "Firefox",
    r"Chrome/|CriOS/|Chromium/": "Chrome",
    r"Safari/": "Safari",
}
SYSTEMS = {
    r"iPhone": "iPhone",
    r"iPad": "iPad",
    r"Android": "Android",
    r"Windows": "Windows",
    r"CrOS": "ChromeOS",
    r"Mac OS X|Macintosh": "macOS",
    r"Linux|X11": "Linux",
}


def describe(agent: str) -> str:
    """The program and the system that a User-Agent names; the first word of one that is no
    browser's."""
    browser, system = _first(BROWSERS, agent), _first(SYSTEMS, agent)
    program = browser or agent.partition("/")[0].split(" ")[0][:30] or "An unknown program"
    return f"{program} on {system}" if system and program != system else program


def _first(patterns: dict[str, str], agent: str) -> str:
    return next((name for pattern, name in patterns.items() if re.search(pattern, agent)), "")
