"""The lines of run_all.py about the recording: each trouble once, its end, and the back-fill. Pure.

Times are Unix milliseconds of this computer's clock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ravequant import times
from ravequant.catalog import CONTEXT_EXPORTER, L2_EXPORTER, TRADES_EXPORTER
from ravequant.vault.recorder_state import RecorderState, span

RUN_ALL: Final = "run_all"
_PATIENCE_MS: Final = 10_000  # a shorter trouble, like a reconnection, is no news
_AGAIN_MS: Final = 10 * times.MINUTE_MS  # until another reason for the same trouble is news
_FILL_EVERY_MS: Final = times.MINUTE_MS
_FILL_LEAST_MS: Final = 2 * times.MINUTE_MS  # a shorter stretch is fetched in seconds
SHUT: Final = "NOT RECORDING "
ROWS: Final = {
    TRADES_EXPORTER.name: "trades",
    L2_EXPORTER.name: "books",
    CONTEXT_EXPORTER.name: "context feeds",
}


class Line(NamedTuple):
    """A line for the window."""

    text: str
    bad: bool = False  # something is wrong


class Trouble(NamedTuple):
    """A trouble as a recorder reports it now."""

    key: tuple[str, str]  # program and kind
    text: str
    over: str  # the line at its end
    since_ms: int | None = None  # None: not known
    patience_ms: int = 0  # a trouble that ends sooner is no news
    varies: bool = False  # its text changes all the time, which is no news


@dataclass(slots=True)
class _ShownTrouble:
    trouble: Trouble
    since_ms: int
    shown_ms: int | None = None


class RecordingNews:
    """Remembers its lines, so that each piece of news comes once."""

    def __init__(self) -> None:
        self._troubles: dict[tuple[str, str], _ShownTrouble] = {}
        self._filling: set[str] = set()  # instruments whose back-fill was shown
        self._fill_at = 0

    @property
    def standing(self) -> str:
        """The troubles that were shown and last, without their reasons; empty if there is none."""
        texts = (
            item.trouble.text.partition(": ")[0]
            for item in self._troubles.values()
            if item.shown_ms is not None
        )
        return "; ".join(dict.fromkeys(texts))

    def lines(
        self, states: Sequence[RecorderState], now: int, more: Iterable[Trouble] = ()
    ) -> list[Line]:
        """Return the news in the states of the recorders, and of ``more`` troubles of run_all."""
        living = [state for state in states if state.lives]
        reported = {trouble.key: trouble for trouble in (*_troubles(living), *more)}
        found = [*self._over(reported, {RUN_ALL, *(state.program for state in living)}, now)]
        for trouble in reported.values():
            found += self._news(trouble, now)
        for state in states:
            if state.program == TRADES_EXPORTER.name:
                found += self._fills(state, now)
        found = list(dict.fromkeys(found))  # both recorders may leave out the same instrument
        shut = [line.text for line in found if line.text.startswith(SHUT)]
        if 1 < len(shut) == len(living) and len({text.partition(": ")[2] for text in shut}) == 1:
            found = [line for line in found if line.text not in shut]
            *most, last = (text.removeprefix(SHUT).partition(": ")[0] for text in shut)
            rows = f"{', '.join(most)} and {last}"
            found.insert(0, Line(f"{SHUT}{rows}: {shut[0].partition(': ')[2]}", bad=True))
        return found

    def _news(self, trouble: Trouble, now: int) -> Iterator[Line]:
        since = min(trouble.since_ms or now, now)
        found = self._troubles.setdefault(trouble.key, _ShownTrouble(trouble, since))
        changed, found.trouble = found.trouble.text != trouble.text, trouble
        if now - found.since_ms < trouble.patience_ms:
            return
        again = changed and not trouble.varies
        if found.shown_ms is None or (again and now - found.shown_ms >= _AGAIN_MS):
            found.shown_ms = now
            yield Line(trouble.text, bad=True)

    def _over(
        self, reported: Mapping[tuple[str, str], Trouble], living: set[str], now: int
    ) -> Iterator[Line]:
        """Yield the ends of troubles; that of a recorder that does not live goes on."""
        for key, item in list(self._troubles.items()):
            if key in reported or key[0] not in living:
                continue
            del self._troubles[key]
            if item.shown_ms is not None:
                yield Line(f"{item.trouble.over}, after {span(now - item.since_ms)}")

    def _fills(self, state: RecorderState, now: int) -> Iterator[Line]:
        """Yield the progress of the back-fill each minute, and its end."""
        yield from self._fill_ends(state)
        filling = state.filling if state.lives else {}
        long = {
            name: fill
            for name, fill in filling.items()
            if name in self._filling or fill.until_ms - fill.at_ms >= _FILL_LEAST_MS
        }
        if not long or (now - self._fill_at < _FILL_EVERY_MS and self._filling >= set(long)):
            return
        self._fill_at, self._filling = now, self._filling | set(long)
        under_way = [name for name, fill in long.items() if fill.left_s is not None]
        waiting = [name for name in long if name not in under_way] if under_way else []
        told = [f"{name} {long[name].sentence}" for name in under_way or long]
        told += [f"then {', '.join(waiting)}"] * bool(waiting)
        yield Line(f"fetching past trades: {'; '.join(told)}")

    def _fill_ends(self, state: RecorderState) -> Iterator[Line]:
        """Yield the ends of back-fills; a recorder that connects again may still go on with one."""
        if not state.lives and self._filling:
            names, self._filling = ", ".join(sorted(self._filling)), set()
            yield Line(f"{names}: past trades are not fetched any more, {state.program} has ended")
        self._filling -= set(state.left_out)
        ended = sorted(self._filling - set(state.filling))
        if state.connected and ended:
            self._filling -= set(ended)
            yield Line(f"{', '.join(ended)}: the past trades are fetched")


def _troubles(states: Sequence[RecorderState]) -> Iterator[Trouble]:
    for state in states:
        program, rows = state.program, ROWS.get(state.program, state.program)
        if state.problem:
            text, over = f"{SHUT}{rows}: {state.problem}", f"recording {rows} again"
            since = state.problem_since_ms
            yield Trouble((program, "problem"), text, over, since, _PATIENCE_MS)
        for inst_id, why in state.left_out.items():
            text, over = f"{inst_id} is left out: {why}", f"{inst_id} is recorded now"
            yield Trouble((program, inst_id), text, over)
