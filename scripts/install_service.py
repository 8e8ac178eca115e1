"""Makes RaveQuant start by itself: systemd user units on Linux, the Task Scheduler on Windows.

python scripts/install_service.py               write, register and start
python scripts/install_service.py --watch 30    look for signals every 30 s too
python scripts/install_service.py --print       show the files it would write, and their places
python scripts/install_service.py --remove      undo it; the data stays
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Final

from ravequant import cli, settings
from ravequant.alerts import webhook
from ravequant.errors import DONE, RaveQuantError, UsageError
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import CHECKOUT, user_path
from scripts.supervision.service_units import (
    NAME,
    NAMES,
    SERVICES,
    TIMERS,
    Installation,
    task,
    units,
)

PROGRAM: Final = "install_service"
LINUX, WINDOWS = "linux", "windows"


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, "Have RaveQuant started by the system, and restarted.")
    text = "show the files, change nothing"
    made.add_argument("--print", action="store_true", dest="only_print", help=text)
    made.add_argument("--remove", action="store_true", help="stop it and take it out again")
    text = "look for signals every S seconds too, and record them"
    made.add_argument("--watch", type=cli.seconds, default=0.0, metavar="S", help=text)
    text = "with --watch: signals below it are left out (default: 0)"
    made.add_argument("--min-score", type=cli.score, default=0, metavar="N", help=text)
    text = "with --watch: post what is new to the webhook, whose address stands in no unit"
    made.add_argument("--discord", action="store_true", help=text)
    text = "serve the screen too, to this computer alone"
    made.add_argument("--dashboard", action="store_true", help=text)
    text = "with --print: of that system (default: this one)"
    made.add_argument("--system", choices=(LINUX, WINDOWS), help=text)
    return made


def body(args: argparse.Namespace) -> int:
    """Print, remove or install."""
    here = this_system()
    if args.system not in (None, here) and not args.only_print:
        raise UsageError(f"--system {args.system}: this is {here}; add --print to look at it")
    system = args.system or here
    place = installation(args, system)
    if args.only_print:
        show(system, place)
    elif args.remove:
        remove_windows() if system == WINDOWS else remove_linux(unit_folder())
    else:
        install_windows(place) if system == WINDOWS else install_linux(place, unit_folder())
    return DONE


def installation(args: argparse.Namespace, system: str) -> Installation:
    """Return the folders and options; UsageError if the service would fail unseen."""
    chosen = settings.load()
    if (args.discord or args.min_score) and not args.watch:
        raise UsageError("--discord and --min-score are for the signals: add --watch 30")
    watch: tuple[str, ...] = ()
    secrets = None
    if args.watch:
        watch = ("--watch", f"{args.watch:g}", "--min-score", str(args.min_score))
    if args.discord:
        webhook.needed(chosen)
        watch = (*watch, "--discord")
        if system == LINUX and webhook.find(chosen)[1] == webhook.WEBHOOK_VARIABLE:
            secrets = secrets_file()
    named = bool(os.environ.get(settings.SETTINGS_VARIABLE))
    own = settings.file_in_use().absolute() if named else None
    return Installation(CHECKOUT, cli.vault_of(args).root, own, watch, secrets, args.dashboard)


def this_system() -> str:
    """Return which of the two this is; UsageError for any other."""
    if sys.platform == "win32":
        return WINDOWS
    if sys.platform == "linux":
        return LINUX
    raise UsageError(
        f"{sys.platform} has neither systemd nor the Task Scheduler; have its own scheduler start "
        f"{CHECKOUT / 'scripts' / 'run_all.py'}"
    )


def show(system: str, place: Installation) -> None:
    """Write the files to stdout."""
    if system == WINDOWS:
        print(task(place, user(), boot=True).decode("utf-16"), end="")
        return
    for name, text in units(place).items():
        print(f"# {unit_folder() / name}\n{text}")


def unit_folder() -> Path:
    """Return where systemd looks for the units of this user."""
    return _config() / "systemd" / "user"


def secrets_file() -> Path:
    """Return the file from which systemd takes the address of the webhook."""
    return _config() / "ravequant" / "environment"


def _config() -> Path:
    return user_path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def keep_secret(path: PurePath | None) -> None:
    """Write the address of the webhook, for this user's eyes alone; without a path forget it."""
    with suppress(FileNotFoundError):
        secrets_file().unlink()
    if path is None:
        return
    address = os.environ[webhook.WEBHOOK_VARIABLE].strip()
    folder = Path(path.parent)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{webhook.WEBHOOK_VARIABLE}={address}\n")


def user() -> str:
    """Return this user's name in the Task Scheduler."""
    domain = os.environ.get("USERDOMAIN")
    return f"{domain}\\{getpass.getuser()}" if domain else getpass.getuser()


def install_linux(place: Installation, folder: Path) -> None:
    """Write the units and have systemd start them, now and at every login.

    Services of older units, perhaps for another vault, are started anew.
    """
    need(place.checkout / ".venv" / "bin" / "python")
    call("systemctl", "--user", "daemon-reload")  # first: without systemd nothing is written
    found = units(place)
    for name, text in found.items():
        replace_file(folder / name, text.encode())
    keep_secret(place.secrets)
    services = [*SERVICES, *(name for name, wanted in place.optional.items() if wanted)]
    for name in place.optional:
        if name not in services and (folder / name).exists():  # of an earlier installation
            call("systemctl", "--user", "disable", "--now", name)
            (folder / name).unlink()
    call("systemctl", "--user", "daemon-reload")
    call("systemctl", "--user", "enable", *services, *TIMERS)
    call("systemctl", "--user", "restart", *services, *TIMERS)
    print(f"{', '.join(found)} in {folder}: enabled and started")
    print("how they fare: systemctl --user status 'ravequant-*'")
    try:
        call("loginctl", "enable-linger")
    except RaveQuantError:
        remedy = f"sudo loginctl enable-linger {getpass.getuser()}"
        print(f"they run while you are logged in; to run from boot on: {remedy}")


def remove_linux(folder: Path) -> None:
    """Stop and delete the units; absent units are no error."""
    present = [name for name in NAMES if (folder / name).exists()]
    keep_secret(None)
    if not present:
        print(f"no unit of RaveQuant in {folder}")
        return
    call("systemctl", "--user", "disable", "--now", *present)
    for name in present:
        (folder / name).unlink()
    call("systemctl", "--user", "daemon-reload")
    print(f"{', '.join(present)}: stopped and removed; the data stays")


def install_windows(place: Installation) -> None:
    """Register the entry and start it, anew if it runs; with the computer, or at every logon."""
    need(place.checkout / ".venv" / "Scripts" / "pythonw.exe")
    try:
        register_windows(place, boot=True)
        when = "with the computer, before anybody logs on"
    except RaveQuantError:  # only an administrator may
        register_windows(place, boot=False)
        when = "when you log on"
        print(
            "after a restart, also one by an update at night, nothing is recorded until you log "
            "on; to start with the computer type this command again in a terminal that was opened "
            "as administrator"
        )
    end_windows()
    call("schtasks", "/Run", "/TN", NAME)
    print(f"{NAME} is in the Task Scheduler and has started; it starts {when}")
    print(f"how it fares: schtasks /Query /TN {NAME} /V /FO LIST, and logs in {place.vault}")
    if place.settings is not None:
        variable = settings.SETTINGS_VARIABLE
        print(f'it finds your settings only after: setx {variable} "{place.settings}"')

    if "--discord" in place.watch and os.environ.get(webhook.WEBHOOK_VARIABLE):
        print(
            f"it finds the webhook only in the settings as {webhook.SETTING}, or if "
            f"{webhook.WEBHOOK_VARIABLE} is a lasting variable of your account (setx)"
        )


def register_windows(place: Installation, *, boot: bool) -> None:
    """Write the entry; RaveQuantError if Windows refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{NAME}.xml"
        file.write_bytes(task(place, user(), boot=boot))
        call("schtasks", "/Create", "/TN", NAME, "/XML", str(file), "/F")


def remove_windows() -> None:
    """Stop and forget the entry; its programs end with it."""
    try:
        call("schtasks", "/Query", "/TN", NAME)
    except RaveQuantError:
        print(f"no {NAME} in the Task Scheduler")
        return
    end_windows()
    call("schtasks", "/Delete", "/TN", NAME, "/F")
    print(f"{NAME}: stopped and removed; the data stays")


def end_windows() -> None:
    """Stop the programs of the entry, if they run."""
    with suppress(RaveQuantError):
        call("schtasks", "/End", "/TN", NAME)


def need(python: PurePath) -> None:
    """Raise UsageError unless the Python that the service is to run with is there."""
    if not Path(python).is_file():
        installer = CHECKOUT / "scripts" / "environment.py"
        raise UsageError(f'{python} is not there: run this first: python "{installer}"')


def call(*command: str) -> None:
    """Run a command of the system; RaveQuantError with its own words if it fails."""
    if shutil.which(command[0]) is None:
        raise RaveQuantError(
            f"{command[0]} is not there: expected a system that has it; look at the files with "
            "--print, or have another scheduler start scripts/run_all.py"
        )
    nothing = subprocess.DEVNULL
    done = subprocess.run(
        command, stdin=nothing, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip()
        raise RaveQuantError(
            f"{' '.join(command)} ended with code {done.returncode}: {words}; mend that, then "
            "run this again"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Install, show or remove the service; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
