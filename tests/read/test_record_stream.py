"""Tests of ravequant.read.record_stream: fields that come later are null in older records."""

import orjson

from ravequant import read
from ravequant.vault.paths import Vault
from tests.support.sql_vault import BTC


def test_a_field_that_an_older_record_lacks_is_null(filled, tmp_path):
    """A record from before a field existed is read; fields that are not known are left out."""
    source = filled.derived("vwap", BTC) / "vwap_1m.jsonl"
    rows = [orjson.loads(line) for line in source.read_bytes().splitlines()[:2]]
    del rows[0]["vwap_1h"]
    rows[1]["new_field"] = 7
    target = Vault(tmp_path).derived("vwap", BTC) / "vwap_1m.jsonl"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    table = read.vwap(BTC, vault=tmp_path)
    assert table["vwap_1h"].text().tolist()[0] is None
    assert table["vwap_1h"].decimal()[1] is not None
    assert "new_field" not in table.columns
