"""The heat on the page, from files to cells: by the real server, in a replay over midnight."""

import random
import shutil
from itertools import count

from ravequant import times
from ravequant.vault.paths import Vault
from tests.support import heat_market
from tests.support.heat_market import BTC, DEPTH, LINEAR, SILENT, START
from tests.support.plain_heat import PlainHeat

FIRST = START // times.MINUTE_MS
END = FIRST + 9
AT = """(places) => places.map((place) =>
    document.getElementById('chart').geometry().heat.at(...place))"""


def known_columns(page):
    """Return how many columns the page holds once these are there."""
    script = "document.getElementById('chart').geometry?.().heat?.columns.length ?? 0"
    for tries in count():
        found = page.evaluate(script)
        if found:
            return found
        assert tries < 3_000, "no heat came"
        page.evaluate("new Promise(requestAnimationFrame)")
    return 0


def test_fifty_cells_of_the_page_are_those_of_the_books(screen, holed, tmp_path, settings_file):
    """Deep books and whole ones, a break, a minute without a book: none later than the moment."""
    vault = Vault(tmp_path / "vault")
    shutil.copytree(holed.root, vault.root)
    for folder in (vault.snapshots(BTC), vault.deep_snapshots(BTC)):
        shutil.rmtree(folder, ignore_errors=True)
    raw = heat_market.put(vault, *heat_market.market(11))
    chosen = settings_file(f"[l2]\ndepth_levels = {DEPTH}\n")
    query = f"?inst={BTC}&at={times.iso_minute(END)}"
    variables = {"RAVEQUANT_SETTINGS": str(chosen)}
    shown = screen(vault, "--no-refresh", "--instId", BTC, query=query, variables=variables)
    assert known_columns(shown.page) >= END - FIRST
    plain, until = PlainHeat(raw, BTC, LINEAR, DEPTH), END * times.MINUTE_MS
    step = plain.step(range(FIRST, END), until)
    chance, wanted, places = random.Random(11), [], []
    for minute in (FIRST + SILENT, *chance.choices(range(FIRST, END), k=49)):
        column, row = plain.column(minute, step, until), chance.randrange(100)
        wanted.append([column.cells[row], column.peaks[row]])
        places.append([minute, float((column.base + row) * step + step / 2)])
    assert shown.page.evaluate(AT, places) == wanted
    assert wanted[0] == [0, 0]
    assert len({tuple(cells) for cells in wanted}) > 15
