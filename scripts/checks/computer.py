"""Checks of this computer: Python, disk, clock, settings, webhook, terminal, programs, exchange.

doctor.py makes all of them, run_all.py those that it needs to start.
"""

import importlib.metadata
import locale
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from ravequant import exchanges, settings, times
from ravequant.alerts import webhook
from ravequant.alerts.discord import DiscordClient
from ravequant.alerts.refusals import DeliveryStatus
from ravequant.catalog import EXPORTERS
from ravequant.checks.check import Check, Level
from ravequant.errors import FeedError, UsageError, VaultError
from ravequant.exchanges.base import RestClient
from ravequant.settings import Settings
from ravequant.vault.atomic import FULL, replace_file
from ravequant.vault.paths import CHECKOUT, Vault
from ravequant.vault.recorder_state import recorder_state

_REQUIREMENT = re.compile(r"([\w.-]+)(?:[^;]*?>=([0-9.]+))?")
_LEAST_PYTHON: Final = (3, 11)
_CLOCK_FAIL_MS, _CLOCK_WARN_MS = 30_000, 2_000
_GB: Final = 10**9
_PROBE_BYTES: Final = 4_096  # a full disk takes an empty file
TEST_MESSAGE: Final = "RaveQuant can reach you"
LEAST_FREE: Final = 2 * _GB  # bytes: some hours of two instruments


def python() -> Iterator[Check]:
    """Check the interpreter and the packages that the project needs."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _LEAST_PYTHON:
        yield Check("python", "FAIL", f"{version}, expected 3.11 or later", "install a newer one")
    needed = _needed()
    bad = [problem for line in needed if (problem := _lacks(line))]
    if bad:
        yield Check("packages", "FAIL", ", ".join(bad), "python scripts/environment.py")
    else:
        yield Check("python", "PASS", f"{version}, {len(needed)} packages")


def _needed() -> list[str]:
    """Return the packages that the code on disk needs: an update may ask for others.

    What pip has noted of the project is from the last installation.
    """
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed: list[str] = project["dependencies"]
    return needed


def _lacks(line: str) -> str | None:
    match = _REQUIREMENT.match(line)
    assert match is not None  # noqa: S101 - any text begins with a name
    try:
        met = importlib.metadata.version(match[1])
    except importlib.metadata.PackageNotFoundError:
        return f"{match[1]} is missing"
    return f"{match[1]} {met}, expected {match[2]}" if _older(met, match[2] or "0") else None


def _older(met: str, wanted: str) -> bool:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in re.findall(r"[0-9]+", text)[:3]]

    return numbers(met) < numbers(wanted)


def chosen_settings() -> tuple[Settings, Check]:
    """Return the settings (the defaults, if the file cannot be used) and their check."""
    try:
        found = settings.load()
    except UsageError as error:
        return Settings(), Check("settings", "FAIL", str(error), "correct that line")
    names = ", ".join(found.instruments)
    for other in settings.unread():
        remedy = f"move it to {settings.file_in_use()}, or away"
        return found, Check("settings", "WARN", f"{names}; {other} is not read", remedy)
    return found, Check("settings", "PASS", names)


def vault_usable(vault: Vault) -> Check:
    """Try to list and to write the vault, which must exist."""
    if not vault.root.is_dir():
        remedy = "name it with --vault, or start an exporter"
        return Check("vault", "FAIL", f"{vault.root} is not there", remedy)
    try:
        next(vault.root.iterdir(), None)
    except OSError as error:
        return Check("vault", "FAIL", f"{vault.root} cannot be read: {error}", "allow reading")
    found = writable(vault)
    if found.level == "PASS":
        return Check("vault", "PASS", f"{vault.root} can be read and written")
    return found


def writable(vault: Vault) -> Check:
    """Make the vault if there is none, and try to write a file in it."""
    probe = vault.root / "state" / f".preflight.{os.getpid()}"
    try:
        replace_file(probe, bytes(_PROBE_BYTES), durable=False)
    except VaultError as error:
        full = getattr(error.__cause__, "errno", None) in FULL
        remedy = "free space on its disk" if full else "allow writing, or name another with --vault"
        return Check("vault", "FAIL", str(error), remedy)
    finally:
        with suppress(OSError):
            probe.unlink()
    return Check("vault", "PASS", str(vault.root))


def programs(scripts: Sequence[str]) -> Check:
    """Check that the checkout holds these scripts."""
    missing = [script for script in scripts if not (CHECKOUT / script).is_file()]
    if not missing:
        return Check("programs", "PASS", f"all in {CHECKOUT}")
    text = f"{', '.join(missing)} not found in {CHECKOUT}"
    return Check("programs", "FAIL", text, "get a whole checkout")


def room(vault: Vault, least_free: int = LEAST_FREE) -> Check:
    """Check that the disk has room for the next hours; ``least_free`` is in bytes."""
    free = shutil.disk_usage(vault.root).free
    text = f"{free / _GB:.1f} GB free"
    if free >= least_free:
        return Check("disk", "PASS", text)
    text += f", expected {least_free / _GB:g} or more"
    return Check("disk", "FAIL", text, "free space, or use a larger disk")


def listed(rest_url: str, inst_ids: Sequence[str]) -> Iterator[Check]:
    """Ask the exchange for each instrument."""
    rest = exchanges.load("okx").rest(rest_url, attempts=1)
    try:
        for inst_id in inst_ids:
            name = f"exchange, {inst_id}"
            try:
                state = rest.instrument(inst_id).get("state", "unknown")
            except FeedError as error:
                yield Check(name, "FAIL", str(error))
            else:
                yield Check(name, "PASS", f"{rest_url} lists it as {state}")
    finally:
        rest.close()


def clock(rest: RestClient) -> Check:
    """Compare this computer's clock with the exchange's."""
    before = times.utc_now_ms()
    try:
        theirs = rest.server_time()
    except FeedError as error:
        return Check("clock", "WARN", f"not compared: {error}", "see whether the network is up")
    return clock_off((before + times.utc_now_ms()) // 2 - theirs)


def measured_clock(vault: Vault, now: int) -> Iterator[Check]:
    """Check this computer's clock by the offset that an exporter has measured."""
    for program in EXPORTERS:
        state = recorder_state(vault, program.name, now)
        if state.lives and state.clock_offset_ms is not None:
            yield clock_off(state.clock_offset_ms)
            return


def clock_off(ahead: int) -> Check:
    """Judge this computer's clock that is so many ms ahead of the exchange's."""
    text = f"{abs(ahead) / 1000:.1f} s {'ahead of' if ahead > 0 else 'behind'} the exchange"
    if abs(ahead) < _CLOCK_WARN_MS:
        return Check("clock", "PASS", text)
    level: Level = "FAIL" if abs(ahead) >= _CLOCK_FAIL_MS else "WARN"
    remedy = "w32tm /resync" if os.name == "nt" else "sudo timedatectl set-ntp true"
    return Check("clock", level, text, remedy)


def discord(chosen: Settings, *, post: bool = False) -> Check:
    """Check the form of the Discord address, of which nothing is shown; ``post`` tries it."""
    address, where = webhook.find(chosen)
    if not address:
        text = f"none set in {webhook.WEBHOOK_VARIABLE}"
        remedy = f"put its address there, or into the settings as {webhook.SETTING}"
        return Check("webhook", "FAIL", text, remedy) if post else Check("webhook", "PASS", text)
    if webhook.well_formed(address):
        if post:
            return _posted(webhook.Webhook(address))
        return Check("webhook", "PASS", "well-formed; nothing was sent")
    remedy = "copy it again from the channel's settings"
    return Check("webhook", "FAIL", f"{where} is not like {webhook.LIKE}", remedy)


def _posted(hook: webhook.Webhook) -> Check:
    """Send the test message and return the answer."""
    message = {"content": TEST_MESSAGE, "allowed_mentions": {"parse": []}}
    answer = DiscordClient(hook).post(message)
    if answer.status is DeliveryStatus.ACCEPTED:
        return Check("webhook", "PASS", f'the message "{TEST_MESSAGE}" stands in the channel')
    if answer.status is DeliveryStatus.LATER:
        network = "see whether the network is up, then try again"
        remedy = "Discord itself failed, try again later" if answer.remedy else network
    elif answer.status is DeliveryStatus.OFF:
        remedy = answer.remedy
    else:
        remedy = "change the channel or the webhook as the reason says"
    return Check("webhook", "FAIL", f"the test message was not taken: {answer.why}", remedy)


def terminal() -> Check:
    """Check that the console can show UTF-8; files are UTF-8 in any case."""
    encoding = locale.getencoding()
    if not sys.stdout.isatty() or encoding.lower().replace("-", "") in ("utf8", "cp65001"):
        return Check("terminal", "PASS", sys.stdout.encoding)
    remedy = "chcp 65001" if os.name == "nt" else "export LC_ALL=C.UTF-8"
    return Check("terminal", "WARN", f"{encoding}: some signs may look wrong", remedy)
