"""Which of the files in a folder each UTC day needs, and which of them lack."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ravequant import times
from ravequant.errors import NoDataError, UsageError
from ravequant.exchanges.archive.base import Archive
from ravequant.vault.paths import StrPath

TRADES: Final = "trades"
CANDLES: Final = "candles"
FUNDING: Final = "funding"
_MONTH: Final = len("2025-01")


@dataclass(frozen=True, slots=True)
class TradeFiles:
    """The files of one UTC day of one instrument, in the order of their labels."""

    day: str
    trades: tuple[Path, ...]
    lacking: tuple[str, ...]  # labels of trades without a file
    candles: tuple[Path, ...]  # empty unless all of them are there

    @property
    def whole(self) -> bool:
        """True if every label that the day needs is there."""
        return not self.lacking


class ArchiveFolder:
    """The published files in one folder, by stream, instrument and label."""

    def __init__(self, folder: StrPath, archive: Archive) -> None:
        self.folder, self._archive = Path(folder), archive
        if not self.folder.is_dir():
            raise UsageError(f"--dir {folder}: expected a folder with the exchange's files")
        self._files: dict[tuple[str, str], dict[str, Path]] = {}
        for path in sorted(self.folder.iterdir()):
            name = archive.parse_name(path.name)
            if name is not None and path.is_file():
                self._files.setdefault((name.stream, name.inst_id), {})[name.label] = path

    def instruments(self) -> list[str]:
        """Return the instruments with files of trades."""
        return sorted(inst_id for stream, inst_id in self._files if stream == TRADES)

    def of(self, stream: str, inst_id: str) -> Mapping[str, Path]:
        """Return the files of a stream by their label."""
        return self._files.get((stream, inst_id), {})

    def days(self, inst_id: str, since: str | None, until: str | None) -> list[TradeFiles]:
        """Return the UTC days of which a file of trades is there, oldest first.

        Raises NoDataError if there is none.
        """
        labels = self.of(TRADES, inst_id)
        found = [
            self.day(inst_id, day)
            for day in _days(labels)
            if (since is None or day >= since) and (until is None or day <= until)
        ]
        kept = [files for files in found if files.trades]
        if not kept:
            raise NoDataError(
                f"{self.folder} has no trades of {inst_id} in the days asked for; expected files "
                f"like {inst_id}-trades-2025-01-31.zip"
            )
        return kept

    def funding(self, inst_id: str) -> list[Path]:
        """Return the files with the instrument's settled funding rates."""
        everybody = self.of(FUNDING, self._archive.everybody)
        return [*self.of(FUNDING, inst_id).values(), *everybody.values()]

    def day(self, inst_id: str, day: str) -> TradeFiles:
        """Return the files of one UTC day."""
        trades, lacking = self._choose(TRADES, inst_id, day)
        candles, without = self._choose(CANDLES, inst_id, day)
        return TradeFiles(day, trades, lacking, () if without else candles)

    def _choose(
        self, stream: str, inst_id: str, day: str
    ) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        there, found, lacking = self.of(stream, inst_id), list[Path](), list[str]()
        for label in self._archive.labels_of(stream, day):
            path = there.get(label) or there.get(label[:_MONTH])
            if path is None:
                lacking.append(label)
            elif path not in found:
                found.append(path)
        return tuple(found), tuple(lacking)


def _days(labels: Mapping[str, Path]) -> Iterator[str]:
    """Yield every UTC day that a file of these labels may hold a part of."""
    seen = set[str]()
    for label in sorted(labels):
        first, last = _bounds(label)
        for moment in range(first - times.DAY_MS, last + 1, times.DAY_MS):
            day = times.day(moment)
            if day not in seen:
                seen.add(day)
                yield day


def _bounds(label: str) -> tuple[int, int]:
    """Return the first and the last day of a label (Unix ms)."""
    if len(label) > _MONTH:
        moment = times.day_start_ms(label)
        return moment, moment
    first = times.day_start_ms(f"{label}-01")
    last = first
    while times.day(last + times.DAY_MS).startswith(label):
        last += times.DAY_MS
    return first, last
