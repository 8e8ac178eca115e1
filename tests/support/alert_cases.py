"""What the tests of the alerts share: sightings, a webhook on this machine, an embed as text."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ravequant import times
from ravequant.alerts.due_kind import SignalSeen

NOW = times.parse_iso("2025-12-14T21:35:30Z")
MINUTE = times.MINUTE_MS
SECRET = "token" * 4  # a part of the address: to be seen nowhere
Answer = tuple[int, dict[str, str], bytes]
TAKEN: Answer = (200, {}, b"{}")


def seen_signal(key: str = "a", birth: int = 1, **other: Any) -> SignalSeen:
    facts: dict[str, Any] = {
        "key": key, "others": (), "line": f"line {key}", "birth": birth, "near": False,
        "no_entry": False,
    }  # fmt: skip
    return SignalSeen(**facts | other)


class Hook:
    """A webhook on this machine: what it was sent, and what it answers."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []  # what was accepted
        self.asked: list[tuple[str, float]] = []  # each request: its path, when
        self.answers: list[Answer] = []  # of the next requests; then all is taken
        self.url = ""

    @property
    def titles(self) -> list[str]:
        return [post["embeds"][0]["title"] for post in self.posts]

    def answer(self, path: str, body: bytes) -> Answer:
        self.asked.append((path, time.monotonic()))
        answer = self.answers.pop(0) if self.answers else TAKEN
        if answer[0] == 200:
            self.posts.append(json.loads(body))
        return answer


@contextmanager
def hook() -> Iterator[Hook]:
    """Run a webhook."""
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, answer = found.answer(self.path, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/api/webhooks/12345/{SECRET}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def as_text(message: dict[str, Any]) -> str:
    """Return an embed as it looks, without its colours; what stands side by side in one line."""
    (embed,) = message["embeds"]
    lines = [embed["title"], "", *embed["description"].splitlines(), ""]
    beside: list[str] = []
    for item in [*embed.get("fields", ()), {"inline": False, "name": "", "value": ""}]:
        if item["inline"]:
            beside.append(f"{item['name']}: {item['value']}")
        if beside and (not item["inline"] or len(beside) == 3):
            lines.append(" | ".join(beside))
            beside = []
        if not item["inline"]:
            value = [f"  {line}" for line in item["value"].splitlines() if line != "```"]
            lines += [item["name"], *value]
    return "\n".join([*lines[:-1], "", embed.get("footer", {}).get("text", "")]).rstrip() + "\n"


def keeping(folder: Path) -> tuple[Path, str]:
    """Return a file, and the command that keeps all alerts in it."""
    got, script = folder / "got", folder / "keep.py"
    script.write_text(f"import sys; open({str(got)!r}, 'a').write(sys.stdin.read())", "utf-8")
    return got, f'"{sys.executable}" "{script}"'
