"""Tests of scripts.bench.server: a dashboard that runs, and what it uses."""

import sys

import pytest
import requests

from scripts.bench import server
from scripts.bench.server import ShareMeter, family, serving, used

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say")


@linux
def test_a_server_is_measured(vault):
    """Its own processor time and memory while it serves; it has ended afterwards."""
    with serving(vault, "--no-refresh") as running:
        meter = ShareMeter([running.pid])
        assert requests.get(f"{running.address}/api/v1/status", timeout=20).status_code == 200
        assert (meter.share() or 0) > 0
        now = used(running.pid)
        assert now is not None
        assert now.memory_mb > 10
        assert family(running.pid)[0] == running.pid
    assert used(running.pid) is None


def test_where_the_system_says_nothing_there_is_no_share(monkeypatch):
    """Instead of one that is made up."""
    monkeypatch.setattr(server, "used", lambda _: None)
    assert ShareMeter([1]).share() is None
