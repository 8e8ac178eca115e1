"""The listing over real sockets: recorded answers, and those that are not to be believed."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ravequant import times
from ravequant.errors import FeedError, UsageError
from ravequant.exchanges.base import RefusedError
from ravequant.exchanges.okx.archive import listing
from ravequant.exchanges.okx.archive.listing import OkxListing, query
from ravequant.exchanges.okx.archive.names import ALL_SWAPS, ArchiveName

BTC = "BTC-USDT-SWAP"
FAST = 1_000.0  # times the exchange's limits


class Scripted:
    """Answers of a server: bodies in turn, the last one for ever, or what a function returns."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.queries: list[dict[str, str]] = []
        self.agents: list[str | None] = []
        self.host = ""

    def files(self, *names: str, url: str = "", **more: Any) -> Any:
        """Return the body that lists these files."""
        rows = [
            {
                "dateTs": "0", "filename": name, "sizeMB": "10.82",
                "url": url or f"http://{self.host}/cdn/{name}?v=999", **more,
            }
            for name in names
        ]  # fmt: skip
        details = [{"groupDetails": rows, "instFamily": "BTC-USDT"}] if rows else []
        data = [{"dateAggrType": "daily", "details": details}]
        return 200, {"code": "0", "msg": "", "data": data}


@pytest.fixture
def script(monkeypatch):
    """Run a server that plays the script."""
    made = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.queries.append(dict(parse_qsl(urlsplit(self.path).query)))
            made.agents.append(self.headers["User-Agent"])
            status, body = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.setattr("random.uniform", lambda low, _high: low / 100)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.host = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture
def client(script):
    made = OkxListing(f"http://{script.host}", attempts=3, limit_factor=FAST)
    yield made
    made.close()


def trades(*days: str) -> list[str]:
    return [f"{BTC}-trades-{day}.zip" for day in days]


def test_a_recorded_answer_is_read(script, client, shared_data, monkeypatch):
    """Three days as OKX listed them: names, labels, addresses; sizes of "0" are not known."""
    path = shared_data / "okx_archive/listing/recorded_module1_daily.json"
    script.answers = [(200, json.loads(path.read_bytes()))]
    monkeypatch.setattr(client, "_port", None)  # as if the exchange were not on this machine
    labels = ["2026-09-25", "2026-09-26", "2026-09-27"]
    found = client.files("trades", "USDC-USDT-SWAP", labels)
    assert [file.label for file in found.files] == labels
    assert found.absent == ()
    first = found.files[0]
    assert first.url == (
        "https://static.okx.com/cdn/okex/traderecords/trades/daily/20260925/"
        "USDC-USDT-SWAP-trades-2026-09-25.zip?v=999"
    )
    assert (first.name, first.stream, first.inst_id, first.size_hint) == (
        "USDC-USDT-SWAP-trades-2026-09-25.zip", "trades", "USDC-USDT-SWAP", 0,
    )  # fmt: skip
    assert script.agents == ["ravequant"]


def test_a_recorded_answer_of_books_is_read(script, client, shared_data, monkeypatch):
    """SizeMB counts mebibytes: the file of 10,663,558 bytes is listed as 10.17."""
    path = shared_data / "okx_archive/listing/recorded_module4_daily.json"
    script.answers = [(200, json.loads(path.read_bytes()))]
    monkeypatch.setattr(client, "_port", None)
    found = client.files("books", "AEON-USDT-SWAP", ["2026-08-31", "2026-09-01"])
    assert abs(found.files[1].size_hint - 10_663_558) < 6_000


def test_the_bounds_are_first_moments_of_labels_in_their_zone():
    """Trades at 16:00 UTC of the day before, books at midnight; funding by months."""
    asked = query("trades", BTC, "2026-09-27", "2026-09-28")
    assert asked == {
        "module": "1", "instType": "SWAP", "instFamilyList": "BTC-USDT", "dateAggrType": "daily",
        "begin": str(times.parse_iso("2026-09-26T16:00:00Z")),
        "end": str(times.parse_iso("2026-09-27T16:00:00Z")),
    }  # fmt: skip
    books = query("books_deep", BTC, "2026-09-01", "2026-09-01")
    assert (books["module"], books["begin"]) == ("5", str(times.parse_iso("2026-09-01T00:00:00Z")))
    month = query("funding", "BTC-USD_UM-SWAP", "2026-09", "2026-10")
    assert (month["dateAggrType"], month["instFamilyList"]) == ("monthly", "BTC-USD_UM")
    assert month["begin"] == str(times.parse_iso("2026-08-31T16:00:00Z"))
    assert query("funding", ALL_SWAPS, "2026-09-01", "2026-09-01")["instFamilyList"] == "ANY"


def test_ten_days_are_asked_for_at_once_and_no_more(script, client):
    """Twelve labels and a later one: three calls, each of at most ten days from its first."""
    days = [f"2026-09-{day:02}" for day in range(1, 13)] + ["2026-10-05"]
    script.answers = [
        script.files(*trades(*days[:10])[::-1]),
        script.files(*trades(*days[10:12])),
        script.files(*trades(days[12])),
    ]
    found = client.files("trades", BTC, reversed(days))
    assert [file.label for file in found.files] == days
    begins = [times.day(int(asked["begin"]) + 8 * times.HOUR_MS) for asked in script.queries]
    ends = [times.day(int(asked["end"]) + 8 * times.HOUR_MS) for asked in script.queries]
    assert list(zip(begins, ends, strict=True)) == [
        ("2026-09-01", "2026-09-10"), ("2026-09-11", "2026-09-12"), ("2026-10-05", "2026-10-05"),
    ]  # fmt: skip


def test_months_are_asked_for_ten_at_once(script, client):
    """Across the end of a year."""
    months = [f"2025-{month:02}" for month in range(6, 13)] + [f"2026-{m:02}" for m in range(1, 6)]
    names = [f"{BTC}-fundingrates-{month}.zip" for month in months]
    script.answers = [script.files(*names[:10]), script.files(*names[10:])]
    assert [file.label for file in client.files("funding", BTC, months).files] == months
    assert len(script.queries) == 2


def test_a_day_that_an_answer_lacks_is_asked_for_by_itself(script, client):
    """The newest part comes if too much matches: the rest is asked for, and found."""
    days = [f"2026-09-{day:02}" for day in range(1, 6)]
    script.answers = [
        script.files(*trades(*days[3:])),
        script.files(*trades(*days[:3])),
    ]
    found = client.files("trades", BTC, days)
    assert ([file.label for file in found.files], found.absent) == (days, ())


def test_a_day_that_is_lacking_twice_is_named_absent(script, client):
    """Never assumed."""
    days = ["2026-09-01", "2026-09-02", "2026-09-03"]
    script.answers = [script.files(*trades(days[0], days[2])), script.files()]
    found = client.files("trades", BTC, days)
    assert ([file.label for file in found.files], found.absent) == ([days[0], days[2]], (days[1],))
    assert len(script.queries) == 2


def test_an_empty_answer_names_every_label(script, client, shared_data):
    """details: [] as in the reference."""
    path = shared_data / "okx_archive/listing/documented_nothing_available.json"
    script.answers = [(200, json.loads(path.read_bytes()))]
    found = client.files("trades", BTC, ["2020-01-01", "2020-01-02"])
    assert (found.files, found.absent) == ((), ("2020-01-01", "2020-01-02"))
    assert len(script.queries) == 1


def test_too_many_requests_are_asked_again(script, client, shared_data):
    """429 with 50011 and no data, as recorded."""
    path = shared_data / "okx_archive/listing/recorded_http429.json"
    script.answers = [(429, json.loads(path.read_bytes())), script.files(*trades("2026-09-01"))]
    assert len(client.files("trades", BTC, ["2026-09-01"]).files) == 1


def test_a_refused_span_is_an_error_at_once(script, client, shared_data):
    """400 with 50076, as recorded."""
    path = shared_data / "okx_archive/listing/recorded_http400_eleven_days.json"
    script.answers = [(400, json.loads(path.read_bytes()))]
    with pytest.raises(RefusedError, match="HTTP 400, code 50076"):
        client.files("trades", BTC, ["2026-09-01"])
    assert len(script.queries) == 1


@pytest.mark.parametrize(
    "name",
    [
        "../../BTC-USDT-SWAP-trades-2026-09-01.zip",
        "/etc/BTC-USDT-SWAP-trades-2026-09-01.zip",
        "ETH-USDT-SWAP-trades-2026-09-01.zip",
        "BTC-USDT-SWAP-candlesticks-2026-09-01.zip",
        "BTC-USDT-SWAP-trades-2026-09-01.exe",
        "",
        None,
        7,
    ],
)
def test_a_name_of_another_form_is_refused(script, client, name):
    """Bare, of the stream and the instrument that were asked for."""
    script.answers = [script.files(name)]
    with pytest.raises(FeedError, match=r"expected a bare name like BTC-USDT-SWAP-trades-2025-01"):
        client.files("trades", BTC, ["2026-09-01"])


@pytest.mark.parametrize(
    "url",
    [
        "https://static.okx.com/cdn/{name}",
        "http://203.0.113.5/cdn/{name}",
        "http://{host}@203.0.113.5/cdn/{name}",
        "http://127.0.0.1:1/cdn/{name}",
        "http://127.0.0.1:99999/cdn/{name}",
        "http://{host}/cdn/other.zip",
        "http://{host}/../{name}",
        "file:///{name}",
        "http://{host}/cdn/{name}\n",
        "http://[",
        None,
        5,
    ],
)
def test_an_address_elsewhere_is_refused_for_an_exchange_on_this_machine(script, client, url):
    """Same machine, same port, the file's own name."""
    (name,) = trades("2026-09-01")
    text = url.format(host=script.host, name=name) if isinstance(url, str) else url
    script.answers = [script.files(name, url="x")]
    script.answers[0][1]["data"][0]["details"][0]["groupDetails"][0]["url"] = text
    with pytest.raises(FeedError, match="nothing was fetched, report it if it stays so"):
        client.files("trades", BTC, ["2026-09-01"])


@pytest.mark.parametrize(
    ("url", "believed"),
    [
        ("https://static.okx.com/cdn/x/{name}?v=999", True),
        ("https://static.okx.com:443/cdn/{name}", True),
        ("http://static.okx.com/cdn/{name}", False),
        ("https://static.okx.com.example.org/{name}", False),
        ("https://static.okx.com:8443/{name}", False),
        ("https://user@static.okx.com/{name}", False),
        ("https://www.example.org/{name}", False),
        ("http://127.0.0.1/{name}", False),
    ],
)
def test_addresses_of_the_real_exchange_are_https_on_its_file_host(url, believed):
    """No other host, no other port, no login."""
    client = OkxListing("https://www.okx.com")
    (name,) = trades("2026-09-01")
    known = ArchiveName("trades", BTC, "2026-09-01")
    if believed:
        assert client._url(url.format(name=name), known) == url.format(name=name)
    else:
        with pytest.raises(FeedError, match=r"expected https://static\.okx\.com/…/"):
            client._url(url.format(name=name), known)


@pytest.mark.parametrize("details", [[1], [{}], [{"groupDetails": None}], "x", None])
def test_an_answer_of_another_shape_is_refused(script, client, details):
    """Nothing is guessed."""
    body = {"code": "0", "msg": "", "data": [{"details": details}]}
    script.answers = [(200, body)]
    with pytest.raises(FeedError, match="expected details with groupDetails"):
        client.files("trades", BTC, ["2026-09-01"])


@pytest.mark.parametrize(
    ("size", "hint"),
    [("10.82", 11_345_592), ("0", 0), ("", 0), (None, 0), ("-1", 0), ("NaN", 0), ("9e99", 0)],
)
def test_a_size_is_a_hint(script, client, size, hint):
    """Text, rounded, "0" for small files; nonsense says nothing."""
    script.answers = [script.files(*trades("2026-09-01"), sizeMB=size)]
    assert client.files("trades", BTC, ["2026-09-01"]).files[0].size_hint == hint


@pytest.mark.parametrize(
    ("stream", "labels"),
    [
        ("books", ["2026-09"]),
        ("trades", ["2026-09", "2026-09-01"]),
        ("trades", ["2026-02-30"]),
        ("trades", ["today"]),
    ],
)
def test_labels_are_checked_before_anything_is_asked(script, client, stream, labels):
    """Days or months that exist, not both."""
    with pytest.raises(UsageError, match="expected days like 2025-01-31 or months like 2025-01"):
        client.files(stream, BTC, labels)
    assert script.queries == []


def test_nothing_asked_for_is_nothing_listed(client, script):
    """No call is made."""
    assert client.files("trades", BTC, []).files == ()
    assert script.queries == []


def test_calls_are_two_and_a_half_seconds_apart():
    """The measured limit, and not that of the reference."""
    rate = listing.OkxListing("https://www.okx.com")._rest._http._buckets[
        "/api/v5/public/market-data-history"
    ]
    waits = [rate.reserve() for _ in range(3)]
    assert waits[2] - waits[1] == pytest.approx(2.5, abs=0.05)
