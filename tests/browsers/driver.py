"""Firefox and WebKit for tests, as the machine has them, driven by what each brings with itself:
WebKit's driver speaks W3C WebDriver over HTTP, Firefox the same commands over a socket, which it
calls Marionette. Playwright wants builds of its own of both."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, cast

import httpx

from tests.processes import free_port
from tests.waiting import PATIENCE, wait_for

#: How WebDriver names an element in JSON.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
MINI_BROWSERS = "*/webkit2gtk-4.*/MiniBrowser"


class Wire(Protocol):
    """Sends one command of WebDriver, by the name that Firefox has for it; returns its value."""

    def __call__(self, command: str, **parameters: Any) -> Any: ...


class Driver:
    """One window of a browser. What it asks for is CSS; what it waits for comes within PATIENCE."""

    def __init__(self, wire: Wire, base_url: str = "") -> None:
        self._wire = wire
        self.base_url = base_url

    def goto(self, path: str) -> None:
        self._wire("Navigate", url=f"{self.base_url}{path}")

    def reload(self) -> None:
        self._wire("Refresh")

    def evaluate(self, script: str, *arguments: Any) -> Any:
        """The value of a JavaScript expression, in which `arguments` are known by that name."""
        return self._wire("ExecuteScript", script=f"return {script}", args=list(arguments))

    def set_cookie(self, name: str, value: str) -> None:
        self._wire("AddCookie", cookie={"name": name, "value": value, "path": "/"})

    def click(self, selector: str) -> None:
        self._wire("ElementClick", id=self._find(selector))

    def type(self, selector: str, text: str) -> None:
        self._wire("ElementSendKeys", id=self._find(selector), text=text)

    def text(self, selector: str) -> str:
        """All that the elements show, or hold where they are fields."""
        return str(
            self.evaluate(
                "[...document.querySelectorAll(arguments[0])]"
                ".map((each) => each.value ?? each.innerText).join('\\n')",
                selector,
            )
        )

    def wait_for(self, selector: str, text: str) -> None:
        wait_for(
            lambda: text in self.text(selector),
            lambda: f"{text!r} in {selector}, which shows {self.text(selector)!r}",
            pause=0.1,
        )

    def picture(self) -> str:
        """What the window shows, as base64 of a PNG."""
        return str(self._wire("TakeScreenshot"))

    def _find(self, selector: str) -> str:
        found = self._wire("FindElement", using="css selector", value=selector)
        return str(found[ELEMENT])


class Marionette:
    """Firefox's socket: messages as their length, a colon and JSON."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")
        self._number = 0
        self._receive()  # What it says first, about itself.

    def __call__(self, command: str, **parameters: Any) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, f"WebDriver:{command}", parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, value = self._receive()
        assert error is None, f"{command}: {error}"
        return value["value"] if isinstance(value, dict) and set(value) == {"value"} else value

    def _receive(self) -> Any:
        length = b""
        while (byte := self._file.read(1)) != b":":
            assert byte, "Firefox ended."
            length += byte
        return json.loads(self._file.read(int(length)))

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class WebDriver:
    """W3C WebDriver over HTTP: the commands that `Driver` uses."""

    PATHS = {
        "NewSession": ("POST", ""),
        "DeleteSession": ("DELETE", ""),
        "Navigate": ("POST", "/url"),
        "Refresh": ("POST", "/refresh"),
        "ExecuteScript": ("POST", "/execute/sync"),
        "AddCookie": ("POST", "/cookie"),
        "FindElement": ("POST", "/element"),
        "ElementClick": ("POST", "/element/{id}/click"),
        "ElementSendKeys": ("POST", "/element/{id}/value"),
        "TakeScreenshot": ("GET", "/screenshot"),
    }

    def __init__(self, port: int) -> None:
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False
        )
        self._session = "/session"

    def __call__(self, command: str, **parameters: Any) -> Any:
        method, path = self.PATHS[command]
        address = self._session + path.format(id=parameters.pop("id", ""))
        body = json.dumps(parameters) if method == "POST" else None
        value = self._client.request(method, address, content=body).json()["value"]
        assert not (isinstance(value, dict) and "error" in value), f"{command}: {value}"
        if command == "NewSession":
            self._session += f"/{value['sessionId']}"
        return value

    def close(self) -> None:
        self._client.close()


@contextmanager
def firefox() -> Iterator[Driver]:
    """A Firefox without a window. Raises AssertionError where there is none."""
    binary = shutil.which("firefox-esr") or shutil.which("firefox")
    assert binary, "No Firefox here: apt-get install firefox-esr"
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        (Path(profile) / "user.js").write_text(f'user_pref("marionette.port", {port});')
        command = [binary, "--headless", "--marionette", "--no-remote", "--profile", profile]
        with running(command, HOME=profile):
            marionette = connected(port)
            with closing(marionette):
                marionette("NewSession", capabilities={})
                yield Driver(marionette)


def connected(port: int) -> Marionette:
    """Firefox's socket, once it listens."""
    made: list[Marionette] = []

    def connects() -> bool:
        with suppress(ConnectionError):
            made.append(Marionette(port))
        return bool(made)

    wait_for(connects, "Firefox to start", pause=0.2)
    return made[0]


@contextmanager
def webkit() -> Iterator[Driver]:
    """WebKitGTK's small browser on a screen that nobody sees. Raises AssertionError where one of
    them is missing."""
    browsers = sorted(
        path for root in ("/usr/lib", "/usr/libexec") for path in Path(root).glob(MINI_BROWSERS)
    )
    assert browsers and shutil.which("WebKitWebDriver") and shutil.which("Xvfb"), (
        "No WebKit here: apt-get install webkit2gtk-driver xvfb"
    )
    options = {"binary": str(browsers[-1]), "args": ["--automation"]}
    port = free_port()
    with ExitStack() as stack:
        screen = stack.enter_context(virtual_screen())
        stack.enter_context(running(["WebKitWebDriver", f"--port={port}"], DISPLAY=screen))
        wait_for(lambda: listens(port), "WebKit's driver to start", pause=0.1)
        wire = stack.enter_context(closing(WebDriver(port)))
        wire("NewSession", capabilities={"alwaysMatch": {"webkitgtk:browserOptions": options}})
        stack.callback(wire, "DeleteSession")
        yield Driver(cast(Wire, wire))


@contextmanager
def virtual_screen() -> Iterator[str]:
    """Xvfb, which picks its own number and writes it to a pipe."""
    reading, writing = os.pipe()
    screen = ["-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    command = ["Xvfb", "-displayfd", str(writing), *screen]
    with running(command, pass_fds=(writing,)), os.fdopen(reading) as numbers:
        os.close(writing)
        yield f":{numbers.readline().strip()}"


@contextmanager
def running(
    command: list[str], *, pass_fds: tuple[int, ...] = (), **environment: str
) -> Iterator[None]:
    """A process that is ended afterwards."""
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, pass_fds=pass_fds,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
