"""A day in fast motion on one page: it holds no more after it than after its first hour.

The real page and its server; its socket is the test's, which sends what a day of a market sends.
"""

import pytest

from tests.support.examples import often
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import BTC, A

HOURS = often(2, 24)
UPDATES = often(4, 30)  # of price, in a minute
FRAMES = 60
MOST_MB = 20
SOCKET = """
globalThis.sockets = [];
globalThis.WebSocket = class {
  static OPEN = 1;
  readyState = 1;
  constructor(url) { this.url = url; globalThis.sockets.push(this); }
  send() {}
  close() {}
};"""
BEGIN = """async (inst) => {
  const read = async (path) => (await fetch(`/api/v1/${path}`)).json();
  const view = await read(`view/${inst}?at=now`);
  const minute = Date.parse(view.as_of_utc) / 60_000;
  const heat = await read(`heat/${inst}?at=now&from=${minute - 3}&to=${minute - 1}&every=1`);
  globalThis.day = { seq: 1, minute, view, heat };
  const hello = { type: "hello", seq: 1, now_ms: view.now_ms };
  sockets.at(-1).onmessage({ data: JSON.stringify(hello) });
}"""
HOUR = """async (updates) => {
  const { view, heat } = day;
  const last = view.minutes.c.length - 1;
  const send = (parts) => {
    day.seq += 1;
    const message = { type: "rows", seq: day.seq, now_ms: day.minute * 60_000 + 6_000, ...parts };
    sockets.at(-1).onmessage({ data: JSON.stringify(message) });
  };
  const frame = () => new Promise(requestAnimationFrame);
  for (let bar = 0; bar < 60; bar += 1) {
    for (let n = 0; n < updates; n += 1) {
      const c = 101_050 + ((n * 7 + bar) % 40) / 10;
      const price = { value: c.toFixed(1), source: "trade", ts_ms: day.minute * 60_000 + n };
      send({ price, forming: { minute: day.minute, o: c, h: c + 1, l: c - 1, c, vol: n } });
      if (n % 4 === 3) await frame();
    }
    const whole = Object.entries(view.minutes).filter(([, values]) => Array.isArray(values));
    const columns = Object.fromEntries(whole.map(([name, values]) => [name, [values[last]]]));
    const minutes = { first: day.minute, every: 1, ...columns };
    const id = `wick ${day.minute}`;
    const wicks = { id: [id], tf: ["1m"], side: ["upper"], tip: [101_100 + bar], exact: [1],
      gap: [0], birth: [day.minute], touch: [null], gone: [`wick ${day.minute - 200}`] };
    day.minute += 1;
    const at_utc = new Date(day.minute * 60_000 + 6_000).toISOString();
    const as_of_utc = new Date(day.minute * 60_000).toISOString();
    const signals = view.answer.signals.map((signal) => ({
      ...signal, event_id: `${signal.event_id} ${day.minute}`, age_minutes: bar }));
    const answer = { ...view.answer, signals, at_utc, as_of_utc };
    const newest = { ...heat, first: day.minute - 3 };
    send({ minutes, wicks, answer, at_utc, as_of_utc, heat: newest, book: { ...view.book } });
    await frame();
  }
  await frame();
  await frame();
}"""
PAN = """async (frames) => {
  const press = (key) =>
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  for (let n = 0; n < frames; n += 1) {
    press(n % 2 ? "ArrowLeft" : "ArrowRight");
    await new Promise(requestAnimationFrame);
  }
}"""


@pytest.fixture
def page(notes, screen):
    """Return a live page whose socket is the test's."""
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        variables = {"RAVEQUANT_TEST_CLOCK": clock.url}
        shown = screen(notes, "--no-refresh", "--instId", BTC, variables=variables)
        shown.page.add_init_script(SOCKET)
        shown.page.reload()
        shown.wait("globalThis.sockets?.length > 0")
        shown.page.evaluate(BEGIN, BTC)
        yield shown


def held(page, session):
    """Return what the page holds: heap (MB), nodes, listeners, and the CPU (s) of some frames."""
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    found = metrics(session)
    page.evaluate(PAN, FRAMES)
    spent = metrics(session)["TaskDuration"] - found["TaskDuration"]
    heap = found["JSHeapUsedSize"] / 2**20
    return heap, found["Nodes"], found["JSEventListeners"], spent


def metrics(session):
    rows = session.send("Performance.getMetrics")["metrics"]
    return {row["name"]: row["value"] for row in rows}


def test_a_day_leaves_nothing_behind(page, record_property):
    """Heap, nodes, listeners and columns after the first hour are those of the end."""
    session = page.page.context.new_cdp_session(page.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    hours = []
    for _ in range(HOURS):
        page.page.evaluate(HOUR, UPDATES)
        hours.append(held(page.page, session))
        record_property("MB, nodes, listeners, CPU s", hours[-1])
    (heap, nodes, listeners, spent), last = hours[0], hours[-1]
    drawn = page.geometry()
    assert drawn["frame"]["columns"] <= 1_501
    assert len(drawn["heat"]["columns"]) <= 1_501
    assert len(drawn["price"]["levels"]) <= 220
    assert last[0] <= min(MOST_MB, heap + 2), hours
    assert last[1] <= nodes + 40, hours
    assert last[2] <= listeners + 2, hours
    if often(0, 1):
        assert last[3] < 2 * spent, hours
