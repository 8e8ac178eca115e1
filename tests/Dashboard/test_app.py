"""Dashboard/app.py: the routes, and errors in words."""

import pytest
import requests
from starlette.responses import Response
from starlette.routing import Route

from Dashboard.app import Site, application, number_of
from ravequant.errors import UsageError, VaultError
from ravequant.vault.paths import Vault
from tests.support.screen import serving


@pytest.fixture
def site(tmp_path):
    """Return a site over an empty vault."""
    return Site(Vault(tmp_path / "vault"), ("BTC-USDT-SWAP",))


def asked(app, path):
    """Return the answer of an application over a real socket."""
    with serving(app) as address:
        return requests.get(address + path, timeout=20)


def test_status(site):
    """What holds for the whole page."""
    found = asked(application(site), "/api/v1/status").json()
    assert found["instruments"] == ["BTC-USDT-SWAP"]
    assert found["page"] == site.static.page_hash
    assert (found["proto"], found["rate"]) == (1, 1.0)
    assert found["thresholds"] == {"BTC-USDT-SWAP": {"wall_usd": 2_000_000, "approach_bps": "5"}}


def test_an_error_has_its_remedy_and_no_path(site, monkeypatch):
    """The message as the commands word it; the vault's place on the disk stays here."""

    def damaged(_):
        raise VaultError(f"{site.vault.root}/x.gz is damaged; restore it")

    monkeypatch.setattr("Dashboard.app.status", damaged)
    answer = asked(application(site), "/api/v1/status")
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "code": "failed", "message": "the vault/x.gz is damaged", "remedy": "restore it"
    }  # fmt: skip


def test_a_defect_is_an_id(site, monkeypatch, caplog):
    """Its details stand in the log alone."""

    def broken(_):
        raise KeyError("secret")

    monkeypatch.setattr("Dashboard.app.status", broken)
    answer = asked(application(site), "/api/v1/status")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"]["code"] in caplog.text
    assert "secret" in caplog.text


@pytest.mark.parametrize("text", ["0", "-1", "x", "2881", "1e3", "", "٣", "9" * 40])
def test_numbers_of_a_query(site, text):
    """A number is whole, and within its bounds."""
    refused = []

    async def endpoint(request):
        with pytest.raises(UsageError, match="expected a whole number from 1 to 2880") as error:
            number_of(request, "minutes", 1_440, 2_880)
        refused.append(error)
        return Response()

    asked(application(site, [Route("/n", endpoint)]), f"/n?minutes={text}")
    assert len(refused) == 1
