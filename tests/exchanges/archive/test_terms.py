"""Terms are shown until they are accepted, once for a vault."""

import json

import pytest

from ravequant.errors import UsageError
from ravequant.exchanges.archive.terms import require_terms

TERMS = ("For yourself only.", "Do not pass it on.")


def test_without_acceptance_nothing_is_fetched(vault):
    """Both lines, and both ways to go on."""
    with pytest.raises(UsageError) as error:
        require_terms(vault, TERMS, accepted=False)
    assert str(error.value) == (
        "For yourself only. Do not pass it on. Nothing was fetched; if you agree, add "
        "--accept-terms (once), or fetch the files yourself and use --dir"
    )
    assert not vault.root.exists()


def test_acceptance_is_noted_once(vault):
    """With its time and the words; later runs need no flag, and change nothing."""
    require_terms(vault, TERMS, accepted=True)
    path = vault.root / "meta/okx/imports/terms.json"
    content = path.read_bytes()
    assert json.loads(content)["terms"] == list(TERMS)
    assert json.loads(content)["accepted_utc"].endswith("Z")
    require_terms(vault, TERMS, accepted=False)
    require_terms(vault, TERMS, accepted=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"[]", b'{"terms":["other"]}'])
def test_other_terms_are_asked_for_again(vault, content):
    """New words need a new acceptance, and so does a note that cannot be read."""
    require_terms(vault, TERMS, accepted=True)
    vault.import_terms().write_bytes(content)
    with pytest.raises(UsageError):
        require_terms(vault, TERMS, accepted=False)
