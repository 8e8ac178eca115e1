"""The notes' set-up as raw data: four hours of trades and the last minutes of the book.

An untouched small high wick at 101250, 32 minutes old, its tip exact, among 16 touched ones; mid
101050.9; an ask wall of 2.5 M at the tip, 95 s old, its band 5.2 M of asks at -0.78; buys absorbed
at T4 in the minute before the newest, which has a cvd_1m of -125,000; vwap_4h 101058.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType
from typing import Any

from CVD import run_cvd_from_jsonl
from Liquidity_Buckets import book_flow
from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Side, Trade, TradeEncoder
from ravequant.vault.paths import Vault
from tests.support.book_lines import put, put_metadata, snapshot
from tests.support.oracle import decimal_text
from tests.support.trade_streams import write_raw
from Untouch_Wick import find_signals, untouch_wick
from Untouch_Wick.find_signals import find_hidden_signals
from Volume_Analyzer import profile, volume_analyzer
from VWAP import vwap_calculator

BTC = "BTC-USDT-SWAP"
CONTRACT = Contract("0.01", "1", "linear")
CALCULATORS = (
    untouch_wick, volume_analyzer, run_cvd_from_jsonl, vwap_calculator, book_flow, profile,
)  # fmt: skip
AT = "2025-12-14T21:35:00Z"
A = times.parse_iso(AT)
FIRST = -239  # minutes from A: all of vwap_4h
TIP = "101250"
Fill = tuple[str, Side, str]  # price, taker side, contracts


@dataclass(frozen=True)
class Market:
    """The set-up; a test changes one thing."""

    older_tip: str = TIP  # that the candle of the wick meets
    wick_close: str = "101248.8"  # 12 ticks below the tip
    wick_candles: int = 8  # around the wick, two touched wicks each
    touch_ago: int | None = None  # minutes before A in which a trade hits the tip
    absorbing: tuple[Fill, ...] = (("101050", "buy", "2200"), ("101050.1", "sell", "500"))
    newest: tuple[Fill, ...] = (("101050.5", "sell", "176.85"), ("101049.5", "buy", "53.15"))
    vwap_4h: str = "101058"
    mid: str = "101050.9"
    wall: tuple[str, ...] = (TIP,)  # where its 2.5 M rest
    wall_age_s: int = 95
    band_bids: int = 643_000  # against 5.2 M of asks
    near_bids: int = 100_000  # at 1 bps from mid

    def minutes(self) -> Iterator[tuple[int, list[Fill]]]:
        """Yield (minutes from A, its fills), but for the one that sets vwap_4h."""
        wicked = range(-42, -42 + self.wick_candles)
        for minute in range(FIRST + 1, 0):
            if minute in (-44, -33):
                top = self.older_tip if minute == -44 else TIP
                yield minute, [*flat("101100"), (top, "buy", "1"), (self.wick_close, "sell", "1")]
            elif minute in wicked:
                yield minute, [*flat("101100"), ("101105", "buy", "1"), ("101095", "sell", "1"),
                               ("101100", "buy", "1")]  # fmt: skip
            elif minute == -21:
                yield minute, [("101090", "sell", "495"), ("101110", "buy", "495")]
            elif minute == -20:
                yield minute, [("101110", "buy", "495"), ("101050", "sell", "495")]
            elif minute == -2:
                yield minute, list(self.absorbing)
            elif minute == -1:
                yield minute, list(self.newest)
            elif self.touch_ago == -minute:
                yield minute, [*flat("101050"), (TIP, "buy", "1"), ("101050", "sell", "1")]
            else:
                yield minute, flat(quiet_price(minute))

    def lines(self) -> list[bytes]:
        """Return the raw lines; the last trade, at A + 5 s, closes the last minute."""
        minutes = list(self.minutes())
        fills = [fill for _, some in minutes for fill in some]
        minutes.insert(0, (FIRST, [self._balance(fills)]))
        encoder, found, trade_id = TradeEncoder(BTC, CONTRACT), [], 1_000
        for minute, some in minutes:
            for number, (price, side, qty) in enumerate(some):
                trade_id += 1
                ts = A + minute * times.MINUTE_MS + 1_000 * number
                found.append(encoder.line(Trade(ts, trade_id, side, price, qty)))
        found.append(encoder.line(Trade(A + 5_000, trade_id + 1, "sell", "101050.5", "1")))
        return found

    def _balance(self, fills: list[Fill]) -> Fill:
        """Return the fill that brings the VWAP of all to ``vwap_4h``, rounded to 8 places."""
        wanted = Fraction(self.vwap_4h)
        priced = [(Fraction(price), Fraction(qty)) for price, _, qty in fills]
        off = sum(price * qty * (price - wanted) for price, qty in priced)
        price = wanted - 100 if off > 0 else wanted + 100
        qty = off / (price * (wanted - price))
        return plain_text(price), "buy", decimal_text(qty, 10)

    def snapshots(self) -> Iterator[dict[str, object]]:
        """Yield a snapshot each 5 s until A; the wall and its band come ``wall_age_s`` before."""
        for second in range(-self.wall_age_s - 25, 1, 5):
            yield self._snapshot(second, stands=second >= -self.wall_age_s)

    def snapshot_at(self, second: int) -> dict[str, object]:
        """Return the snapshot of a second after A."""
        return self._snapshot(second, stands=True)

    def _snapshot(self, second: int, *, stands: bool) -> dict[str, object]:
        mid, tip = Fraction(self.mid), Fraction(TIP)
        away = max(tip - mid, mid * Fraction(11, 10_000))  # so far out lies the band, at least
        rest = 5_200_000 - 2_500_000
        walls = {Fraction(price): Fraction(2_500_000, len(self.wall)) for price in self.wall}
        asks = {mid + Fraction(1, 10): Fraction(50_000)}
        for step in range(1, 28):
            asks[mid + away + step] = Fraction(rest, 27) if stands else Fraction(5_000)
        bids = {mid - Fraction(1, 10): Fraction(self.near_bids)}
        bids[mid - away - 1] = Fraction(self.band_bids)
        shown = asks | walls if stands else asks
        return snapshot(A + second * 1_000, levels(bids, falling=True), levels(shown))


def quiet_price(minute: int) -> str:
    """Return where price rests in a minute in which nothing happens."""
    if minute < -44:
        return "101055"
    return "101100" if minute < -20 else "101050"


def flat(price: str) -> list[Fill]:
    """Return a quiet minute of 990 contracts, a little more bought than sold."""
    return [(price, "buy", "500"), (price, "sell", "490")]


def plain_text(value: Fraction) -> str:
    return decimal_text(value, 10)


def levels(side: dict[Fraction, Fraction], *, falling: bool = False) -> list[list[str]]:
    """Return book levels, best first, from price -> notional in quote currency."""
    return [
        [plain_text(price), decimal_text(side[price] / price * 100, 4), "0", "3"]
        for price in sorted(side, reverse=falling)
    ]


def record(vault: Vault, market: Market) -> None:
    """Write the raw data and bring all calculators up to date."""
    put_metadata(vault, BTC, CONTRACT)
    write_raw(vault, BTC, market.lines())
    put(vault.snapshots(BTC), market.snapshots())
    calculate(vault)


def go_on(vault: Vault, first: int, last: int, *, breaks: int | None = None) -> None:
    """Append quiet minutes after A, ``first`` to ``last`` - 1, their books, and the closing trade.

    The wall at the tip rests on; nothing reaches the tip. The book ``breaks`` so many seconds after
    A.
    """
    encoder, lines = TradeEncoder(BTC, CONTRACT), []
    for minute in range(first, last + 1):
        begun = minute == first > 0  # by the trade that closed the minute before it
        for number in range(begun, 1 if minute == last else 10):
            ts = A + minute * times.MINUTE_MS + 5_500 * (number + 1)
            trade_id = 1_507 + minute * 10 + number
            side: Side = "buy" if number % 2 else "sell"
            lines.append(encoder.line(Trade(ts, trade_id, side, "101050.5", "50")))
    write_raw(vault, BTC, lines)
    market = Market()
    moments = range(first * 60 + 5, last * 60 + 6, 5)
    rows = [
        market.snapshot_at(second) | ({"gap_detected": True} if second == breaks else {})
        for second in moments
    ]
    put(vault.snapshots(BTC), rows)


def calculate(
    vault: Vault, inst_id: str = BTC, modules: Sequence[ModuleType] = CALCULATORS
) -> None:
    """Bring calculators up to date, in this process; one without raw data has nothing to do."""
    for module in modules:
        code = module.main(
            ["--vault", str(vault.root), "--log-level", "error", "--instId", inst_id]
        )
        assert code in (0, 3), module.__name__


def ask(vault: Vault, at: Any = AT, **other: Any) -> list[dict[str, Any]]:
    """Return the signals that a vault has at a moment."""
    return find_hidden_signals(BTC, at=at, vault=vault.root, **other)


def lost(signal: dict[str, Any]) -> dict[str, str]:
    """Return the layers of a signal that are not met, with their state."""
    states = {layer["layer"]: layer["state"] for layer in signal["layers"]}
    return {name: state for name, state in states.items() if state != "met"}


def command(vault: Vault, capsys: Any, *arguments: str) -> tuple[int, str, str]:
    """Run the command in this process; return (exit code, stdout, stderr)."""
    capsys.readouterr()
    known = ["--vault", str(vault.root), "--instId", BTC]
    code = find_signals.main([*known, *arguments])
    out, err = capsys.readouterr()
    return code, out, err
