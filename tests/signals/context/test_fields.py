"""The fields of the context, as the contract has them."""

import re

from ravequant.signals.context.fields import FIELDS, NOTHING, WALL_FIELDS
from ravequant.vault.fields import FIELDS as OF_FILES
from ravequant.vault.paths import CHECKOUT


def test_the_contract_names_each_field_in_its_order():
    """Section 11; what is not known is null, and there all the same."""
    page = (CHECKOUT / "SPEC.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^- `context`[^:]*: (.*)$", page, re.MULTILINE)
    places = [listed.index(f"`{name}`") for name in FIELDS]
    assert places == sorted(places)
    assert dict(NOTHING) == dict.fromkeys(FIELDS)


def test_a_wall_has_the_fields_of_its_record():
    """In their order, from its price on."""
    recorded = [field.name for field in OF_FILES["book_flow"]]
    assert recorded[recorded.index("price") :] == list(WALL_FIELDS)
