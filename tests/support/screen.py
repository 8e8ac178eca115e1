"""The dashboard as a person has it: the program over a vault, and its page in a browser."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from ravequant import times
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support.box import ended

DASHBOARD = CHECKOUT / "Dashboard" / "dashboard.py"
# a word of conviction, or a size: `x3`
CONVICTION = re.compile(r"\b(?:MAX|HIGH|VERY_HIGH|WATCH|x[1-9])\b")
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d")
_ADDRESS = re.compile(r"http://[^\s/]+(?=/|\s|$)")


@contextmanager
def served(vault: Vault, *options: str, **variables: str) -> Iterator[str]:
    """Run the dashboard over a vault at a free port; yields its address, ``http://host:port``.

    ``variables`` are added to its environment.
    """
    with program(vault, *options, **variables) as (address, _):
        yield address


@contextmanager
def program(
    vault: Vault, *options: str, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the dashboard as ``served`` does; yields its address and its process."""
    environment = {**os.environ, **variables}
    words = [sys.executable, str(DASHBOARD), "--vault", str(vault.root), "--port", "0", *options]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment
    ) as process:
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
        reader.start()
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = _ADDRESS.search(line)
            assert found, f"no address in {line!r}; {''.join(said)}"
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield found[0], process
        finally:
            ended(process)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application in a thread of this process; yields its address."""
    config = uvicorn.Config(app, port=0, http="h11", log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


class Screen:
    """A page of the dashboard; remembers its console, its errors and each request."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.console: list[str] = []
        self.requests: list[str] = []
        self.allowed: tuple[str, ...] = ()  # parts of console lines that a test itself causes
        page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        self.bodies: list[Callable[[], str]] = []  # of the answers about the instrument
        page.on("response", self._keep)

    def _keep(self, response: Any) -> None:
        if any(f"/api/v1/{name}/" in response.url for name in ("view", "signals", "heat")):
            self.bodies.append(response.text)

    @classmethod
    @contextmanager
    def of(cls, browser: Any, address: str, query: str = "", **context: Any) -> Iterator["Screen"]:
        """Open the page in a context of its own; ``context`` goes to Playwright."""
        context.setdefault("viewport", {"width": 1600, "height": 900})
        context.setdefault("timezone_id", "UTC")
        context.setdefault("color_scheme", "dark")
        own = browser.new_context(**context)
        try:
            screen = cls(own.new_page(), address)
            screen.page.goto(f"{address}/{query}")
            yield screen
        finally:
            own.close()

    @property
    def seq(self) -> int:
        """The number of messages that the page has applied and painted."""
        return int(self.page.evaluate("document.documentElement.dataset.seq || '0'"))

    @property
    def level(self) -> str:
        """The level of the verdict."""
        return str(self.page.evaluate("document.documentElement.dataset.level || ''"))

    def wait(self, condition: str, seconds: float = 30) -> None:
        """Wait until an expression is true; asked from here: the page forbids `eval`."""
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:g} s in vain for {condition}: {self.state}")
            self.page.wait_for_timeout(20)

    @property
    def state(self) -> str:
        """The verdict and the console, for the message of a failed test."""
        return f"{self.level}, {self.text('#verdict-words')!r}, console {self.console}"

    def wait_painted(self, after: int = 0, seconds: float = 30) -> int:
        """Wait until a message later than ``after`` is painted; return its number."""
        self.wait(f"Number(document.documentElement.dataset.seq || '0') > {after}", seconds)
        return self.seq

    def wait_level(self, level: str, seconds: float = 30) -> None:
        """Wait until the verdict has a level."""
        self.wait(f"document.documentElement.dataset.level === {level!r}", seconds)

    def text(self, selector: str) -> str:
        """Return the text of an element as it is shown."""
        return str(self.page.inner_text(selector))

    def read_at(self, inst_id: str, at: str) -> None:
        """Go to a time in replay, and wait until its picture stands."""
        minute = at[:16] + "Z"
        if self.page.evaluate("document.documentElement.dataset.asOf || ''") != minute:
            self.bodies.clear()
            self.page.goto(f"{self.address}/?inst={inst_id}&at={minute}")
        self.wait(f"document.documentElement.dataset.asOf === {minute!r}")

    def check_nothing_after(self, moment_ms: int) -> None:
        """Fail if an answer of the server holds a time later than a moment."""
        read = 0
        for body in self.bodies:
            try:
                text = body()
            except Exception as error:
                if "navigated away" in str(error) or "No resource" in str(error):
                    continue  # it belonged to the page before this one
                raise
            read += 1
            assert [at for at in _TIME.findall(text) if at > times.iso(moment_ms)[:19]] == []
        assert read, "no answer was seen at all"

    def geometry(self) -> dict[str, Any]:
        """Return what the chart has drawn, in its own words."""
        found = self.page.evaluate("document.getElementById('chart').geometry()")
        assert isinstance(found, dict)
        return found

    def words(self) -> str:
        """Return every word of the page, seen or hidden: texts, attributes, the title of the tab.

        Tags that the chart draws are in it too.
        """
        return str(
            self.page.evaluate(
                """() => {
                const parts = [document.title];
                const texts = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
                while (texts.nextNode()) parts.push(texts.currentNode.data);
                for (const el of document.querySelectorAll('*')) {
                    for (const { value } of el.attributes) parts.push(value);
                    if (typeof el.value === 'string') parts.push(el.value);
                }
                const drawn = (value) => {
                    if (typeof value === 'string') parts.push(value);
                    else if (value instanceof Object) Object.values(value).forEach(drawn);
                };
                drawn(document.getElementById('chart').geometry());
                return parts.join('\\n'); }"""
            )
        )

    def check_quiet(self) -> None:
        """Fail on a console line, an error of the page, or a request to another host."""
        loud = [line for line in self.console if not any(part in line for part in self.allowed)]
        assert loud == [], loud
        place = self.address.partition("://")[2]
        foreign = [
            url
            for url in self.requests
            if url.partition("://")[2].partition("/")[0] != place and not url.startswith("data:")
        ]
        assert foreign == []


def check_void(page: Screen) -> None:
    """Fail if the page has a word of conviction anywhere, or a sound."""
    assert page.level == "void"
    page.wait("document.querySelector('#card.void, #card .stop') !== null", 10)  # drawn after it
    words = page.words()
    assert CONVICTION.search(words) is None, CONVICTION.findall(words)
    assert page.page.locator("#card .reasons").count() == 0
    assert page.page.locator("#others-list li").count() == 0
    page.wait("document.querySelector('#sound').textContent === 'sound off'")
    assert page.page.locator("#sound").get_attribute("aria-pressed") == "false"
    assert "void" in page.text("#card") or "Do not use" in page.text("#card")


def wait_until(condition: Any, seconds: float = 30) -> None:
    """Wait until something outside of the page holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
