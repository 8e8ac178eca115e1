"""Records Coinalyze's long/short ratios and liquidations; without a key it is off."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from Context_Bot import coinalyze_key
from Context_Bot.context_lines import line, period_fields
from Context_Bot.statistics_log import Statistic, StatisticsLog
from ravequant import catalog, cli, exchanges, settings
from ravequant.errors import DONE, RaveQuantError
from ravequant.exchanges import coinalyze
from ravequant.exchanges.coinalyze import CoinalyzeRest, CoinMarket
from ravequant.exchanges.context_feeds import PeriodRow
from ravequant.exchanges.exchange_time import ExchangeTime
from ravequant.exchanges.offload import in_thread
from ravequant.exchanges.recorder_options import add_flags
from ravequant.exchanges.standstill import Standstill
from ravequant.exchanges.stopping import stop_on_signals
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import COINALYZE, Vault, coinalyze_symbol

PROGRAM: Final = catalog.COINALYZE_EXPORTER.name
OFF: Final = "off: no key is set"
_LOOK_EVERY_S: Final = 5.0  # whether a period has closed
_ASK_AGAIN_S: Final = 60.0  # for a row that was due and did not come
_HEARTBEAT_S: Final = 5.0
_log = logging.getLogger(PROGRAM)


class FollowedSeries(NamedTuple):
    """A series of a market, and its files."""

    series: str
    symbol: str
    log: StatisticsLog


def log_of(vault: Vault, inst_id: str, data: catalog.DataSet, symbol: str) -> StatisticsLog:
    """Return the files of a series of an instrument's market. Raises VaultError."""
    series, _ = catalog.COINALYZE[data]

    def made(row: PeriodRow, known_ms: int) -> bytes:
        values = {"symbol": symbol, "series": series, "period": coinalyze.INTERVAL}
        more = period_fields(row, known_ms)
        return line(COINALYZE, inst_id, row.start, COINALYZE, {**values, **more})

    folder = data.place(vault, inst_id)
    step = coinalyze.INTERVAL_MS
    statistic = Statistic(COINALYZE, data.name, inst_id, step, folder, made)
    return StatisticsLog(Vault(vault.root, COINALYZE), statistic)


class CoinalyzeExporter:
    """The running program: one log for each series, venue and instrument."""

    def __init__(
        self, vault: Vault, inst_ids: Sequence[str], rest: CoinalyzeRest, okx_url: str
    ) -> None:
        self._vault, self._inst_ids, self._rest = vault, inst_ids, rest
        self._okx = exchanges.load(vault.exchange).rest(okx_url, attempts=1)
        self._time = ExchangeTime()
        self._heartbeat, self._standstill = Heartbeat(vault, PROGRAM), Standstill()
        self._followed: list[FollowedSeries] = []
        self._written = dict.fromkeys(inst_ids, 0)
        self._absent = {inst_id: list[str]() for inst_id in inst_ids}
        self._problem: str | None = None

    async def run(self, max_seconds: float) -> int:
        """Record until a signal comes, or so many seconds have passed (0: never)."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        with ExitStack() as held:
            for inst_id in self._inst_ids:
                held.enter_context(writer_lock(self._vault, COINALYZE, inst_id))
            held.enter_context(stop_on_signals(loop, stop))
            held.callback(self._rest.close)
            held.callback(self._okx.close)
            if max_seconds:
                loop.call_later(max_seconds, stop.set)
            work = asyncio.create_task(self._work())
            beat = asyncio.create_task(self._beat())
            end = asyncio.create_task(stop.wait())
            await asyncio.wait((work, beat, end), return_when=asyncio.FIRST_COMPLETED)
            for task in (work, beat, end):
                task.cancel()
            outcome = (await asyncio.gather(work, beat, end, return_exceptions=True))[0]
            self._heartbeat.write({**self._facts(), "stopped": True})
        if isinstance(outcome, Exception):
            raise outcome
        return DONE

    async def _beat(self) -> None:
        while True:
            self._heartbeat.write(self._facts())
            await asyncio.sleep(_HEARTBEAT_S)

    def _facts(self) -> dict[str, Any]:
        found = {
            inst_id: {"written": self._written[inst_id], "absent": self._absent[inst_id]}
            for inst_id in self._inst_ids
        }
        return {**self._standstill.facts(self._problem, None), "instruments": found}

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._followed:
            try:
                self._followed = list(self._opened(await in_thread(self._rest.markets)))
                self._problem = None
            except RaveQuantError as error:
                self._tell(error)
            if not self._followed:
                await asyncio.sleep(_ASK_AGAIN_S)
        again_at = dict.fromkeys(range(len(self._followed)), 0.0)
        while True:
            try:
                clock = await self._clock()
                for number, followed in enumerate(self._followed):
                    log = followed.log
                    if clock is None or not log.due(clock) or loop.time() < again_at[number]:
                        continue
                    again_at[number] = loop.time() + _ASK_AGAIN_S
                    await self._follow(followed, clock)
                    self._problem = None
                    if log.newest is not None and not log.due(clock):
                        again_at[number] = 0.0
            except RaveQuantError as error:
                self._tell(error)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _opened(self, markets: Sequence[CoinMarket]) -> Iterator[FollowedSeries]:
        """Open each series that Coinalyze has; name the others once. Raises VaultError."""
        known = {market.symbol: market for market in markets}
        for inst_id in self._inst_ids:
            base, quote = inst_id.split("-")[:2]
            for data, (series, end) in catalog.COINALYZE.items():
                symbol = coinalyze_symbol(inst_id, end)
                market = known.get(symbol)
                same = market is not None and (market.base, market.quote) == (base, quote)
                if same and market and (market.has_ratio or series != "long_short"):
                    log = log_of(self._vault, inst_id, data, symbol)
                    yield FollowedSeries(series, symbol, log)
                elif data.name not in self._absent[inst_id]:
                    self._absent[inst_id].append(data.name)
                    _log.warning("%s: Coinalyze has no %s of %s", inst_id, series, symbol)

    async def _follow(self, followed: FollowedSeries, clock: int) -> None:
        """Fetch and write the periods that have closed. Raises FeedError and VaultError."""
        series, symbol, log = followed
        begin = clock - coinalyze.DEPTH_MS if log.newest is None else log.newest

        def page(before: int | None) -> list[PeriodRow]:
            end = clock if before is None else before - 1
            return self._rest.history(series, symbol, begin, end) if end >= begin else []

        rows = await in_thread(log.fetch, page)
        known = await self._clock()  # asked after the rows had come
        if known is not None:
            self._written[log.statistic.inst_id] += log.add(rows, known)

    async def _clock(self) -> int | None:
        """Return the exchange's time; None while it jumps. Raises FeedError."""
        began = asyncio.get_running_loop().time()
        answer = await in_thread(self._okx.server_time)
        now = asyncio.get_running_loop().time()
        return answer if self._time.answered(answer, began, now) else None

    def _tell(self, error: RaveQuantError) -> None:
        if str(error) != self._problem:
            _log.warning("%s", error)
        self._problem = str(error)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    cli.add_instruments(made)
    flags = (
        ("--log-file", cli.path_arg, None, "FILE", "the log (default: beside the program)"),
        ("--url", str, coinalyze.ADDRESS, "URL", f"default: {coinalyze.ADDRESS}"),
        ("--rest-url", str, None, "URL", "default: okx.rest_url of the settings"),
        ("--max-seconds", cli.seconds, 0.0, "S", "stop after S seconds; 0 (default): never"),
        ("--rest-limit-factor", cli.factor, 1.0, "X", "times the rate limit; for a box"),
    )
    add_flags(made, flags)
    return made


def body(args: argparse.Namespace) -> int:
    """Run the exporter, unless no key is set."""
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    vault, chosen = cli.vault_of(args), settings.load()
    key = coinalyze_key.find(chosen.coinalyze, vault)
    if key is None:
        _log.info("%s: give it in $%s", OFF, coinalyze_key.VARIABLE)
        Heartbeat(vault, PROGRAM).write({"problem": None, "off": OFF, "stopped": True})
        return DONE
    inst_ids = cli.instruments_of(args, chosen.instruments)
    rest = CoinalyzeRest(args.url, key, limit_factor=args.rest_limit_factor)
    okx_url = args.rest_url or chosen.okx.addresses()[1]

    async def export() -> int:
        return await CoinalyzeExporter(vault, inst_ids, rest, okx_url).run(args.max_seconds)

    return asyncio.run(export())


def main(argv: Sequence[str] | None = None) -> int:
    """Record Coinalyze's series; return the exit code."""
    return cli.run(parser(), body, argv, log_file=Path(__file__).with_suffix(".log"))


if __name__ == "__main__":
    sys.exit(main())
