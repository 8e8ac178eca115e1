"""Tests of scripts.showcase.chart_server: the chart's files under the page's policy."""

import pytest
import requests

from scripts.showcase.chart_server import POLICY, STATIC, chart_address


def test_the_chart_is_served_under_the_policy_of_its_page():
    """The page and every script of the chart, each with its kind and the policy."""
    with chart_address() as address:
        for path, kind in (
            ("/", "text/html; charset=utf-8"),
            ("/chart_alone.js", "text/javascript"),
            ("/static/chart/chart.js", "text/javascript"),
            ("/static/vendor/lightweight-charts-5.2.1.mjs", "text/javascript"),
        ):
            answer = requests.get(address + path, timeout=30)
            assert answer.status_code == 200
            assert answer.headers["Content-Type"] == kind
            assert answer.headers["Content-Security-Policy"] == POLICY
        answer = requests.get(f"{address}/static/chart/chart.js?v=1", timeout=30)
        assert answer.content == (STATIC / "chart" / "chart.js").read_bytes()


@pytest.mark.parametrize("path", ["/static/../../SPEC.md", "/static/page.css", "/chart_server.py"])
def test_no_other_file_is_served(path):
    """Names come from a list made at the start; nothing else of the disk is reached."""
    with chart_address() as address:
        assert requests.get(address + path, timeout=30).status_code == 404


def test_the_policy_is_that_of_the_dashboard():
    """Tests of the chart run under the rules that the page runs under."""
    guard = (STATIC.parent / "guard.py").read_text(encoding="utf-8")
    for rule in POLICY.split("; "):
        assert rule in guard
