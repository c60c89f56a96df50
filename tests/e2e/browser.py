"""A real browser for tests. A page that logs an error, breaks the content security policy or throws
fails its test, unless the test said beforehand that it would."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import axe_core_python
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from credits.models import User
from tests.live import Site, session_of
from tests.prepare import BROWSERS
from tests.waiting import PATIENCE, wait_for

type Size = Literal["desktop", "phone"]
type Scheme = Literal["light", "dark"]

SIZES: dict[Size, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 360, "height": 740},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}
#: Widths decide how a page is laid out and schemes its colours, not one the other: both are seen.
LOOKS: list[tuple[Size, Scheme]] = [("desktop", "dark"), ("phone", "light")]
#: What a page hears when credits were spent or came back.
CHANGED = "document.body.dispatchEvent(new CustomEvent('credits:changed', {bubbles: true}))"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
]  # fmt: skip
# Chromium reports a violation in the console too, but not that of a report-only policy.
WATCH_CSP = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP: ${event.violatedDirective} refused ${event.blockedURI}`))"""
#: Colours are judged as they end; an animation without end is not waited for.
ANIMATIONS_ENDED = """() => Promise.allSettled(document.getAnimations()
    .filter((each) => each.effect.getComputedTiming().endTime !== Infinity)
    .map((each) => each.finished))"""
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
AXE_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


def launch(playwright: Playwright) -> Browser:
    """Chromium as the machine has it. Raises AssertionError with what to do when it has none."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, "No Chromium here: apt-get install chromium (or put one on the PATH)."
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


@dataclass
class Window:
    """Browsers' windows of one test, each with cookies of its own, on one site."""

    browser: Browser
    site: Site
    console_errors: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(
        self,
        user: User | None = None,
        *,
        size: Size = "desktop",
        scheme: Scheme = "light",
        javascript: bool = True,
        **options: Any,
    ) -> Page:
        """An empty page in a new window, in which `user` is signed in. Addresses are relative to
        the site; `options` are Playwright's for a context. Service workers are blocked, as what
        they ask for cannot be routed, unless these say `service_workers="allow"`."""
        context = self.browser.new_context(
            base_url=self.site.base_url,
            color_scheme=scheme,
            java_script_enabled=javascript,
            **{"service_workers": "block", **SIZES[size], **options},
        )
        context.set_default_timeout(PATIENCE * 1000)
        self.contexts.append(context)
        if user:
            self.sign_in(context, user)
        context.add_init_script(WATCH_CSP)
        page = context.new_page()
        page.on("console", lambda said: self._listen(said.type, said.text, page))
        page.on("pageerror", lambda error: self._listen("error", str(error), page))
        return page

    def sign_in(self, context: BrowserContext, user: User) -> None:
        """Without the form."""
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session_of(user)}
        context.add_cookies([{**cookie, "url": self.site.base_url}])  # type: ignore[typeddict-item]

    def allow(self, pattern: str) -> None:
        """Console errors that match this regular expression belong to the test."""
        self.allowed.append(pattern)

    def _listen(self, kind: str, text: str, page: Page) -> None:
        if kind == "error" and not any(re.search(pattern, text) for pattern in self.allowed):
            self.console_errors.append(f"{page.url}: {text}")

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        shown = "\n".join(self.console_errors)
        assert not shown, f"The console showed errors:\n{shown}"


def wait_for_any(page: Page, seen: list[Any]) -> None:
    """Returns once an event of the browser was appended to `seen`: events are handled only while
    Playwright waits, and come later than what the page shows."""

    def has_come() -> bool:
        page.wait_for_timeout(1)
        return bool(seen)

    wait_for(has_come, f"an event of {page.url}")


@contextmanager
def windows(browser: Browser, site: Site) -> Iterator[Window]:
    window = Window(browser, site)
    try:
        yield window
    finally:
        window.close()


def axe(page: Page) -> None:
    """Raises AssertionError with each serious or critical accessibility fault of what is shown."""
    page.evaluate(ANIMATIONS_ENDED)
    if not page.evaluate("window.axe !== undefined"):
        page.evaluate(AXE)
    violations = page.evaluate("rules => axe.run(document, rules)", AXE_RULES)["violations"]
    faults = [
        f"{fault['id']} ({fault['impact']}): {node['target']} {node['failureSummary']}"
        for fault in violations
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]
    assert not faults, f"{page.url}\n" + "\n".join(faults)


def fits(page: Page) -> None:
    """Raises AssertionError when the page is wider than its window."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    # Not innerWidth: a phone zooms out until the whole page is in it.
    window = page.viewport_size["width"] if page.viewport_size else 0
    assert wide <= window, f"{page.url} is {wide} px wide in a window of {window} px."


def count_signs(page: Page) -> None:
    """Has the page note, from now on, what it says beside an answer or a card that it lost: a
    connection may be made again before anybody can look."""
    page.evaluate("""() => {
        window.signs = [];
        const note = (node) => {
            const lost = node.matches?.(".lost") ? node : node.querySelector?.(".lost");
            if (lost) signs.push(lost.textContent);
        };
        const noteAll = (changes) => changes.forEach((each) => each.addedNodes.forEach(note));
        new MutationObserver(noteAll).observe(document.body, { childList: true, subtree: true });
    }""")


def expect_sign(page: Page, text: str) -> None:
    """Waits until the page has said it since `count_signs`."""
    wait_for(lambda: page.evaluate("text => signs.includes(text)", text), f"the sign {text}")
