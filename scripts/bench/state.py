"""The files that the calculators of a vault have written, kept so that a run can be repeated."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_WRITTEN = ("derived", "state", "logs")


@dataclass(frozen=True, slots=True)
class WrittenFiles:
    """The files at one moment: the length of those that are appended to, the bytes of the rest."""

    root: Path
    lengths: dict[Path, int]
    contents: dict[Path, bytes]

    @classmethod
    def of(cls, root: Path) -> Self:
        """Return the files of a vault as they are now."""
        lengths, contents = dict[Path, int](), dict[Path, bytes]()
        for path in _files(root):
            if path.suffix == ".jsonl":
                lengths[path] = path.stat().st_size
            else:
                contents[path] = path.read_bytes()
        return cls(root, lengths, contents)

    def restore(self) -> None:
        """Put the files back as they were; the raw data must not have changed."""
        for path in _files(self.root):
            if path not in self.lengths and path not in self.contents:
                path.unlink()
        for path, length in self.lengths.items():
            os.truncate(path, length)
        for path, data in self.contents.items():
            path.write_bytes(data)


def _files(root: Path) -> Iterator[Path]:
    for folder in _WRITTEN:
        yield from (path for path in (root / folder).rglob("*") if path.is_file())
