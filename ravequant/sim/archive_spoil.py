"""Spoils a published file in the way of a fault: damaged, hostile, or another than it was; pure."""

import gzip
import io
import tarfile
import zipfile
import zlib
from typing import Final

from ravequant.sim.faults import Fault

WAYS: Final = ("crc", "bomb", "member", "falls", "rewritten", "changed")
_BOMB_MB: Final = 64
_CENTRAL: Final = b"PK\x01\x02"
_CRC_AT: Final = 16  # in an entry of a zip's central directory
_ESCAPES: Final = "../../escaped.csv"


def spoiled(data: bytes, name: str, fault: Fault) -> bytes:
    """Return other bytes for a file.

    ``crc``: the checksum at its end is wrong; ``bomb``: ``length`` (64) MB of zeros; ``member``:
    its member is named ``value`` (``../../escaped.csv``); ``falls``: two neighbouring lines change
    places; ``rewritten``: other bytes, the same lines; ``changed``: its last line stands no more.
    """
    if fault.how == "crc":
        return _wrong_crc(data, name)
    member, text = unpacked(data, name)
    if fault.how == "bomb":
        return packed(name, member, b"\0" * ((fault.length or _BOMB_MB) << 20))
    if fault.how == "member":
        return packed(name, fault.value if "." in fault.value else _ESCAPES, text)
    if fault.how == "rewritten":
        return packed(name, member, text, level=1)
    return packed(name, member, _moved(text) if fault.how == "falls" else _shortened(text))


def unpacked(data: bytes, name: str) -> tuple[str, bytes]:
    """Return name and content of a file's only member."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as made:
            member = made.namelist()[0]
            return member, made.read(member)
    with tarfile.open(fileobj=io.BytesIO(data)) as made_tar:
        info = made_tar.getmembers()[0]
        inside = made_tar.extractfile(info) or io.BytesIO()
        return info.name, inside.read()


def packed(name: str, member: str, text: bytes, level: int = 6) -> bytes:
    """Return a file of one member."""
    made = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
            archive.writestr(zipfile.ZipInfo(member), text, zipfile.ZIP_DEFLATED, level)
        return made.getvalue()
    info = tarfile.TarInfo(member)
    info.size = len(text)
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive_tar:
        archive_tar.addfile(info, io.BytesIO(text))
    return gzip.compress(made.getvalue(), level, mtime=0)


def _wrong_crc(data: bytes, name: str) -> bytes:
    spoilt = bytearray(data)
    at = data.rindex(_CENTRAL) + _CRC_AT if name.endswith(".zip") else len(data) - 8
    spoilt[at] ^= 1
    return bytes(spoilt)


def _moved(text: bytes) -> bytes:
    lines = text.splitlines(keepends=True)
    middle = 1 + zlib.crc32(text) % max(1, len(lines) - 2)  # behind a header
    lines[middle : middle + 2] = reversed(lines[middle : middle + 2])
    return b"".join(lines)


def _shortened(text: bytes) -> bytes:
    return b"".join(text.splitlines(keepends=True)[:-1])
