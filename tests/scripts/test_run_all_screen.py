"""run_all.py and the screen: a real server, kept running, found at its address, ended with it."""

import os
import signal
from urllib.request import urlopen

import pytest

from ravequant.errors import UsageError
from scripts import run_all
from scripts.supervision import tasks
from tests.scripts.test_run_all import LIMIT_S, beat, logged, programs_of, running
from tests.support.trades_box import wait_for


@pytest.mark.skipif(os.name == "nt", reason="a signal to one process is POSIX")
def test_the_screen_is_served_and_ends_with_it(vault):
    """Its address is a line of the window; run_all keeps it running."""
    port = tasks.free_port()
    where = f"http://127.0.0.1:{port}/"
    options = ("--no-exporters", "--every", "1h", "--dashboard", "--dashboard-port", port)
    with running(vault, dict(os.environ), *options) as program:
        wait_for(lambda: answered(f"{where}api/v1/status"), program)
        screen = beat(vault, "run_all")["tasks"]["dashboard"]["pid"]
        os.kill(screen, signal.SIGTERM)
        wait_for(
            lambda: (
                beat(vault, "run_all")["tasks"]["dashboard"]["pid"] not in (None, screen)
                and answered(f"{where}api/v1/status")
            ),
            program,
        )
        program.terminate()
        program.communicate(timeout=LIMIT_S)
    assert f"the screen: {where}\n" in logged(vault)
    assert not answered(where)
    assert programs_of(vault) == set()


def answered(address: str) -> bool:
    """Return True if a server answers."""
    try:
        with urlopen(address, timeout=5) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["--dashboard", "--once"], "leave out --once"), (["--open"], "add --dashboard")],
)
def test_options_of_the_screen_that_contradict_are_refused(flags, said):
    """Before anything is started."""
    with pytest.raises(UsageError, match=said):
        run_all.refuse_nonsense(run_all.parser().parse_args(flags))


def test_a_demo_with_a_screen_has_the_books_of_before(vault):
    """They are written once; neither a round that ends nor a demo without a screen has them."""
    command = ["--vault", str(vault.root), "--demo"]
    args = run_all.parser().parse_args([*command, "--dashboard"])
    kept, passing = run_all.tasks(args, vault)
    assert kept[-1].name == "dashboard"
    assert passing[0].name == "past_books"
    assert [task.name for task in passing if task not in run_all.in_one_round(passing)] == [
        "past_books", "judge",
    ]  # fmt: skip
    assert run_all.screen_waits(args).endswith("the market's last 3h are written first")
    kept, passing = run_all.tasks(run_all.parser().parse_args(command), vault)
    assert "dashboard" not in {task.name for task in kept}
    assert passing[0].name != "past_books"
