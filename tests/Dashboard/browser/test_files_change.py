"""Files change under a live page: it shows what a page that is opened now would show."""

import re

import pytest

from CVD import run_cvd_from_jsonl
from ravequant import catalog, times
from ravequant.vault.compress import pack
from ravequant.vault.paths import Vault
from tests.support.exchange_clock import exchange_clock
from tests.support.holed_market import BTC, START, HoledMarket, at
from tests.support.notes_market import A, Market, calculate, go_on, record
from tests.support.screen import Screen, wait_until

OPTIONS = ("--no-refresh", "--instId", BTC)
WITHIN_S = 10  # 2 s are the budget; a busy computer is given more
TEXTS = ("#card", "#book", "#legend", "#tables", "#times", "#price-value", "#instruments")
LOOKS = 40
PIXEL = 0.1
MIDNIGHT = 90  # minutes from the start of the market
HOUR = 30

USABLE = "['fresh', 'partly'].includes(document.documentElement.dataset.level)"  # young too


@pytest.fixture(scope="module")
def market():
    """Return three hours of a market without a hole, over a midnight."""
    return HoledMarket(whole=True)


class LivePage:
    """A live page over a vault that grows minute by minute."""

    def __init__(self, page: Screen, vault: Vault, clock, market: HoledMarket, end: int) -> None:
        self.page, self.vault = page, vault
        self._clock, self._market, self._end = clock, market, end
        self._told: list[list[str]] = []  # messages of each socket that it opens from now on
        page.page.on("websocket", self._listen)

    def _listen(self, socket) -> None:
        told: list[str] = []
        self._told.append(told)
        socket.on("framereceived", lambda text: told.append(str(text)[:20]))

    @property
    def views(self) -> int:
        """How often it has read its view."""
        return int(self.page.page.evaluate("document.documentElement.dataset.views || '0'"))

    def wait_reset(self, change, *given) -> None:
        """Make a change, and wait until the page has read its view anew and is live again."""
        views, sockets = self.views, len(self._told)
        change(*given)
        wait_until(lambda: self.views > views and any(map(_is_rows, self._told[sockets:])))
        assert self.views == views + 1

    def go_to(self, minute: int) -> None:
        """Record up to a minute of the market, and wait until the page shows it."""
        self._market.put(self.vault, self._end, minute)
        self._end = minute
        self._clock.now_ms = at(minute) + 6_000
        shown = times.iso(at(minute))[:16].replace("T", " ")
        self.page.wait(f"document.querySelector('#times').innerText.includes({shown!r})")

    def check_like_a_new_page(self) -> None:
        """Open another page, and wait until both show the same; no hole, each minute once."""
        tab = self.page.page.context.new_page()
        try:
            other = Screen(tab, self.page.address)
            tab.goto(self.page.address)
            other.wait("Number(document.documentElement.dataset.views) > 0")
            other.wait_painted()
            tab.keyboard.press("a")
            for _ in range(LOOKS):
                unlike = list(differences(picture(self.page), picture(other)))
                if not unlike:
                    break
                tab.wait_for_timeout(200)
            assert unlike == []
        finally:
            tab.close()
        shown = [row.split("\t")[0] for row in self.page.text("#tables").splitlines()]
        minutes = [text for text in shown if re.fullmatch(r"\d\d:\d\d", text)]
        end = at(self._end)
        wanted = [times.iso(end - n * times.MINUTE_MS)[11:16] for n in range(1, 31)]
        assert minutes == wanted
        drawn = self.page.geometry()
        assert {shape["kind"] for shape in drawn["price"]["blanks"]} <= {"unrecorded"}
        assert drawn["price"]["ticks"] == []


def _is_rows(told):
    return any('"rows"' in text for text in told)


def picture(page):
    """Return all that a page shows of the market, but for the heat, which comes in its own time."""
    drawn = page.geometry()
    del drawn["heat"]
    frame = drawn["frame"]  # the older page holds older columns, up to an hour of them
    first, columns = frame.pop("first"), frame.pop("columns")
    frame["end"] = first + columns
    frame["x_end"] = frame.pop("x0") + columns * frame["spacing"]
    texts = page.page.evaluate(
        "(names) => names.map((name) => document.querySelector(name).innerText)", TEXTS
    )
    return drawn | dict(zip(TEXTS, texts, strict=True))


def differences(one, other, path=""):
    """Yield where two pictures differ, pixels by more than a tenth."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from differences(one[name], other[name], f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, parts in enumerate(zip(one, other, strict=True)):
            yield from differences(*parts, f"{path}[{at}]")
    elif isinstance(one, float | int) and isinstance(other, float | int):
        if abs(one - other) > PIXEL:
            yield path, one, other
    elif one != other:
        yield path, one, other


@pytest.fixture
def live(tmp_path, screen, market):
    """Return a function that opens a live page over a vault recorded up to a minute."""
    with exchange_clock() as clock:

        def show(end):
            vault = Vault(tmp_path / "vault")
            market.put(vault, 0, end)
            clock.now_ms = at(end) + 6_000
            page = screen(vault, *OPTIONS, variables={"RAVEQUANT_TEST_CLOCK": clock.url})
            page.wait(USABLE)
            page.wait_painted()
            page.page.keyboard.press("a")
            return LivePage(page, vault, clock, market, end)

        yield show


def test_the_hour_and_the_day_turn_and_files_are_packed(live):
    """New files of an hour and of a day, old ones packed under the reader: all goes on."""
    page = live(HOUR - 1)
    for minute in (HOUR, HOUR + 1):
        page.go_to(minute)
    page.check_like_a_new_page()
    for minute in (MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 1):
        page.go_to(minute)
    page.check_like_a_new_page()
    yesterday = times.day(START)
    pack(page.vault.trades(BTC) / f"{yesterday}.jsonl")
    for hour in sorted((page.vault.snapshots(BTC) / yesterday).glob("*.jsonl")):
        pack(hour)
    page.go_to(MIDNIGHT + 2)
    page.check_like_a_new_page()
    assert page.views == 1, "nothing was void"


def test_rows_that_are_others_are_read_anew(live):
    """Computed anew, shorter, and another file: the page reads its view again, each time once."""
    page = live(40)
    rows = {name: catalog.DATA_SETS[name].place(page.vault, BTC) for name in ("volume", "cvd")}
    for change in (rebuild, shorten, replace):
        page.wait_reset(change, page.vault, rows)
    calculate(page.vault)
    page.go_to(41)
    page.check_like_a_new_page()


def rebuild(vault, _):
    """Let a calculator compute its newest rows anew, from another beginning: they are others."""
    words = ["--vault", str(vault.root), "--log-level", "error", "--instId", BTC]
    words += ["--rebuild", "--since", "20m"]
    assert run_cvd_from_jsonl.main(words) == 0


def shorten(_, rows):
    """Cut the last three rows off a file, as a person who restores a copy does."""
    lines = rows["volume"].read_bytes().splitlines(keepends=True)
    with rows["volume"].open("r+b") as file:
        file.truncate(sum(map(len, lines[:-3])))
    rows["lines"] = lines


def replace(_, rows):
    """Put the whole file back in its place: another file of the same name."""
    copy = rows["volume"].with_suffix(".copy")
    copy.write_bytes(b"".join(rows["lines"]))
    copy.replace(rows["volume"])


# --- rows that come ------------------------------------------------------------------------------


def test_rows_follow_and_the_view_stays(tmp_path, screen):
    """By the real calculators, zoomed and panned, also once the oldest minutes are cut."""
    vault = Vault(tmp_path / "vault")
    record(vault, Market())
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        page = screen(vault, *OPTIONS, variables={"RAVEQUANT_TEST_CLOCK": clock.url})
        page.wait(USABLE)
        page.wait_painted()
        for key in ("+", *["ArrowLeft"] * 6):
            page.page.keyboard.press(key)
        before = settled(page)
        for first, last in ((0, 1), (1, 62)):
            go_on(vault, first, last)
            clock.now_ms = A + last * times.MINUTE_MS + 9_000
            calculate(vault)
            shown = times.iso(A + last * times.MINUTE_MS)[:16].replace("T", " ")
            page.wait(f"document.querySelector('#times').innerText.includes({shown!r})", WITHIN_S)
            page.wait(USABLE)
            after = settled(page)
            assert after["spacing"] == pytest.approx(before["spacing"])
            assert place(after, A) == pytest.approx(place(before, A))
        assert after["first"] == before["first"] + 62, "the oldest are cut"
        assert after["columns"] <= 1_441  # with the minute under way


def settled(page):
    """Return the frame of the chart once two looks at it are alike."""
    found = [page.geometry()["frame"]]

    def same():
        page.page.wait_for_timeout(50)
        found.append(page.geometry()["frame"])
        return found[-1] == found[-2]

    wait_until(same)
    return found[-1]


def place(frame, moment):
    """Return where a moment stands in the chart."""
    column = moment / times.MINUTE_MS - frame["first"]
    return frame["x0"] + column * frame["spacing"]
