"""Every name on disk: those of SPEC section 1, and none for what is no instrument."""

import copy
import pickle
import shutil
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ravequant import catalog
from ravequant.errors import UsageError
from ravequant.vault import atomic, compress, gap_ledger, paths
from ravequant.vault.line_file import LineFile
from ravequant.vault.paths import Vault, day_files, hour_files, strays

BTC = "BTC-USDT-SWAP"


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (lambda vault: vault.trades(BTC), "raw/okx/trades_perps/BTC-USDT-SWAP"),
        (lambda vault: vault.metadata(BTC), "meta/okx/instruments/BTC-USDT-SWAP.json"),
        (
            lambda vault: vault.metadata_history(BTC),
            "meta/okx/instruments/BTC-USDT-SWAP.history.jsonl",
        ),
        (lambda vault: vault.gap_ledger(BTC), "meta/okx/gaps/BTC-USDT-SWAP.jsonl"),
        (lambda vault: vault.generation(BTC), "meta/okx/gaps/BTC-USDT-SWAP.generation.json"),
        (lambda vault: vault.derived("vwap", BTC), "derived/vwap/okx/perps/BTC-USDT-SWAP"),
        (lambda vault: vault.minutes(BTC), "derived/bars/okx/perps/BTC-USDT-SWAP"),
        (lambda vault: vault.state("cvd", BTC), "state/cvd/okx/perps/BTC-USDT-SWAP.state.json"),
        (lambda vault: vault.health("trades_exporter"), "state/health/trades_exporter.json"),
        (lambda vault: vault.lock("vwap", BTC), "state/locks/vwap.BTC-USDT-SWAP.lock"),
        (lambda vault: vault.snapshots(BTC), "raw/okx/l2_perps/BTC-USDT-SWAP"),
        (lambda vault: vault.deep_snapshots(BTC), "raw/okx/l2_deep_perps/BTC-USDT-SWAP"),
        (lambda vault: vault.alerts(), "state/alerts/alerts.json"),
    ],
)
def test_names_are_those_of_the_contract(tmp_path, found, wanted):
    """Each file stands where SPEC section 1 says."""
    assert found(Vault(tmp_path)) == tmp_path / wanted


# recorded from others than an exchange: one file, whichever exchange a vault is asked for
OF_NO_EXCHANGE = {
    catalog.BTC_TRANSFERS, catalog.BTC_BLOCKS, catalog.COINALYZE_GAPS, *catalog.COINALYZE,
}  # fmt: skip


def places(vault: Vault, inst_id: str) -> list[Path]:
    """Return every path that a vault builds for an instrument, and those of no instrument."""
    streams = (paths.TRADES, paths.BOOKS, paths.DEEP_BOOKS, "vwap", "repair", "alerts", "retention")
    return [
        vault.trades(inst_id),
        vault.snapshots(inst_id),
        vault.deep_snapshots(inst_id),
        vault.metadata(inst_id),
        vault.metadata_history(inst_id),
        vault.gap_ledger(inst_id),
        vault.generation(inst_id),
        vault.alerts(),
        vault.minutes(inst_id),
        vault.imports(inst_id),
        vault.import_terms(),
        vault.import_note(inst_id),
        vault.import_parts(inst_id),
        vault.import_downloads(),
        vault.book_import(inst_id),
        vault.settled_funding(inst_id),
        vault.lab(inst_id),
        vault.judged(inst_id, "2025-12-14"),
        *(vault.derived(metric, inst_id) for metric in streams),
        *(vault.state(metric, inst_id) for metric in streams),
        *(vault.lock(stream, inst_id) for stream in streams),
        *(vault.health(component) for component in ("trades_exporter", "l2_exporter", "run_all")),
        *(
            data.place(vault, inst_id)
            for data in catalog.DATA_SETS.values()
            if data not in OF_NO_EXCHANGE
        ),
    ]


def test_every_builder_of_a_path_is_among_those_compared():
    """A method of Vault that is new has to be added to the list above."""
    no_builders = {"root", "exchange", "locks", "option", "demo_option"}
    builders = {name for name in vars(Vault) if name[0] != "_"} - no_builders
    assert builders == {
        "trades", "snapshots", "deep_snapshots", "metadata", "metadata_history", "gap_ledger",
        "generation", "derived", "minutes", "state", "health", "alerts", "lock", "imports",
        "import_terms", "import_note", "import_parts", "import_downloads", "settled_funding",
        "book_import", "lab", "judged", "liquidations", "open_interest", "funding_estimates",
        "marks", "statistics", "coverage", "grid_gaps", "btc_transfers", "btc_blocks", "coinalyze",
    }  # fmt: skip


def test_a_name_with_an_underscore_is_like_any_other(tmp_path):
    """Paths are built from it, and found again by it."""
    vault, name = Vault(tmp_path), "BTC-USD_UM-SWAP"
    for path in (vault.trades(name), vault.lock("vwap", name)):
        path.mkdir(parents=True)
        assert name in path.name
    assert paths.instruments(vault.trades) == [name]
    assert [path.name for path in vault.locks("vwap")] == [f"vwap.{name}.lock"]


EXCHANGES = st.from_regex(r"[a-z]{2,8}", fullmatch=True)
NAMES = st.from_regex(r"[A-Z0-9_]{1,4}(-[A-Z0-9_]{1,4}){1,2}", fullmatch=True)


@given(EXCHANGES, EXCHANGES, NAMES, NAMES)
@example("okx", "binance", BTC, BTC)
@example("bybit", "binance", BTC, BTC)
def test_two_exchanges_share_no_path(one, other, name, other_name):
    """Not even for instruments of one name: no folder, file, lock or heartbeat."""
    assume(one != other)
    found = places(Vault(Path("vault"), one), name)
    others = places(Vault(Path("vault"), other), other_name)
    for path in found:
        for theirs in others:
            assert path != theirs
            assert path not in theirs.parents
            assert theirs not in path.parents


def test_what_is_of_no_exchange_stands_in_one_place(tmp_path):
    """The places of others' data are the same for each exchange, and no exchange's own."""
    own = places(Vault(tmp_path), BTC)
    for data in OF_NO_EXCHANGE:
        found = data.place(Vault(tmp_path), BTC)
        assert found == data.place(Vault(tmp_path, "binance"), BTC)
        assert found not in own
        assert not any(found in path.parents or path in found.parents for path in own)


def test_the_names_of_another_exchange(tmp_path):
    """Where the folder does not hold the exchange, the file name does."""
    vault = Vault(tmp_path, "binance")
    assert [path.relative_to(tmp_path).as_posix() for path in (
        vault.trades(BTC), vault.metadata(BTC), vault.derived("cvd", BTC), vault.state("cvd", BTC),
        vault.lock("cvd", BTC), vault.health("l2_exporter"), vault.alerts(),
    )] == [
        f"raw/binance/trades_perps/{BTC}",
        f"meta/binance/instruments/{BTC}.json",
        f"derived/cvd/binance/perps/{BTC}",
        f"state/cvd/binance/perps/{BTC}.state.json",
        f"state/locks/cvd.binance.{BTC}.lock",
        "state/health/l2_exporter.binance.json",
        "state/alerts/alerts.binance.json",
    ]  # fmt: skip


def test_the_locks_of_a_stream_are_those_of_its_exchange(tmp_path):
    """Another exchange's writers of the same stream, and other files, are not among them."""
    okx, binance = Vault(tmp_path), Vault(tmp_path, "binance")
    held = [okx.lock("vwap", BTC), okx.lock("vwap", "ETH-USDT-SWAP")]
    held[0].parent.mkdir(parents=True)
    others = ["vwap.X.lock", "vwap.lock", f"vwap.{BTC}.json", f"cvd.{BTC}.lock"]
    for path in (*held, binance.lock("vwap", BTC), *map(held[0].with_name, others)):
        path.touch()
    assert list(okx.locks("vwap")) == held
    assert list(binance.locks("vwap")) == [binance.lock("vwap", BTC)]
    assert list(Vault(tmp_path / "elsewhere").locks("vwap")) == []


@pytest.mark.parametrize(
    "inst_id",
    ["", "BTC", "btc-usdt-swap", "BTC-USDT-SWAP ", "BTC-USDT-SWAP\n", "../BTC-USDT",
     "BTC/USDT-SWAP", "BTC--SWAP", "-BTC", "BTC-", "BTC_USDT", "C:BTC-USDT",
     "B\u0422C-USDT", "BTC-USDT-SWAP\0"],
)  # fmt: skip
def test_no_path_is_built_from_an_illegal_name(tmp_path, inst_id):
    """Refused before a path exists, with the value and the form wanted."""
    vault = Vault(tmp_path)
    builders = (
        vault.trades, vault.metadata, vault.metadata_history, vault.gap_ledger, vault.generation,
        lambda name: vault.derived("vwap", name), lambda name: vault.state("vwap", name),
        lambda name: vault.lock("vwap", name),
    )  # fmt: skip
    for build in builders:
        with pytest.raises(UsageError) as caught:
            build(inst_id)
        assert str(caught.value).startswith(
            f"instrument {inst_id!r} is not a legal name: expected capitals, digits and _ joined "
            "by dashes, like BTC-USDT-SWAP"
        )


class Folder:
    """A path of another library."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __fspath__(self) -> str:
        return self._text


def test_a_root_may_be_a_text(tmp_path, monkeypatch):
    """Or anything that is a path, and ``~`` is the home folder: one vault, and equal."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    vault = Vault(tmp_path / "vault")
    given = str(vault.root)
    slips = (f"{given} ", f'"{given}"', f' " {given}" ')  # as Windows leaves them
    for root in (given, Folder(given), "~/vault", Path("~/vault"), *slips):
        assert Vault(root) == vault
        assert Vault(root).trades(BTC) == vault.trades(BTC)
    assert Vault("vault").root == Path.cwd() / "vault"
    assert copy.copy(vault) == pickle.loads(pickle.dumps(vault)) == vault  # noqa: S301 - our own
    for wrong, said in (
        ("", "the path is empty"),
        (" ", "is empty"),
        ("~nobody-here/x", "its ~ has no home folder"),
    ):
        with pytest.raises(UsageError, match=said):
            Vault(wrong)


@pytest.mark.parametrize("form", [str, Folder, Path], ids=lambda form: form.__name__)
def test_every_function_takes_a_path_as_text(tmp_path, form):
    """Files written, read, listed, packed and restored by their names alone."""
    day, folder = tmp_path / "2025-12-14.jsonl", form(str(tmp_path))
    atomic.make_folder(form(str(tmp_path / "new")))
    atomic.replace_file(form(str(day)), b'{"timestamp_utc":"2025-12-14T00:00:00.000Z"}\n')
    assert [path for _, path in paths.day_files(folder)] == [day]
    with LineFile(form(str(day))) as file:
        assert len(list(file.backward(file.size))) == 1
    assert gap_ledger.raise_generation(form(str(tmp_path / "generation.json"))) == 1
    compress.pack(form(str(day)))
    compress.restore(form(f"{day}.gz"))
    compress.delete(form(str(day)))
    assert list(paths.day_files(folder)) == []


def test_the_vault_is_where_the_environment_says(monkeypatch):
    """$RAVEQUANT_VAULT, else the folder of this checkout; an empty variable says nothing."""
    monkeypatch.setenv(paths.VAULT_VARIABLE, "elsewhere")
    assert paths.default_root() == Path("elsewhere")
    for forget in (lambda: monkeypatch.setenv(paths.VAULT_VARIABLE, ""),
                   lambda: monkeypatch.delenv(paths.VAULT_VARIABLE)):  # fmt: skip
        forget()
        assert paths.default_root() == Path(__file__).resolve().parents[2] / "Rave_Quant_Vault"


def test_no_data_go_among_packages(monkeypatch, tmp_path):
    """Where the library stands in no checkout there is no default, and the message says so."""
    monkeypatch.delenv(paths.VAULT_VARIABLE, raising=False)
    monkeypatch.setattr(paths, "CHECKOUT", tmp_path)
    with pytest.raises(UsageError, match=r"no vault is named, and .* is no checkout of RaveQuant"):
        paths.default_root()
    monkeypatch.setenv(paths.VAULT_VARIABLE, str(tmp_path))
    assert paths.default_root() == tmp_path


def test_day_files_come_oldest_first_and_plain_before_packed(tmp_path):
    """Of two forms of a day the plain one counts; anything else in the folder is passed over."""
    for name in (
        "2025-12-15.jsonl", "2025-12-13.jsonl.gz", "2025-12-14.jsonl.gz", "2025-12-14.jsonl",
        ".2025-12-16.jsonl.tmp", "2025-12-16.jsonl.torn", "2025-12-16.jsonl.bak", "2025-12-16.json",
        "2025-99-99.jsonl", "2025-12-32.jsonl", "2025-12-00.jsonl", "notes.txt", "2025-12-16",
        "x2025-12-16.jsonl",
    ):  # fmt: skip
        (tmp_path / name).touch()
    assert [(day, path.name) for day, path in paths.day_files(tmp_path)] == [
        ("2025-12-13", "2025-12-13.jsonl.gz"),
        ("2025-12-14", "2025-12-14.jsonl"),
        ("2025-12-15", "2025-12-15.jsonl"),
    ]


def test_the_plain_form_counts_in_whatever_order_the_system_lists(tmp_path):
    """Thirty days in both forms are thirty plain files."""
    for number in range(1, 31):
        for form in (".jsonl", ".jsonl.gz")[:: 1 if number % 2 else -1]:
            (tmp_path / f"2025-11-{number:02}{form}").touch()
    assert [path.suffix for _, path in paths.day_files(tmp_path)] == [".jsonl"] * 30


def test_an_absent_folder_has_no_days(tmp_path):
    """Nothing recorded yet is no error."""
    assert list(paths.day_files(tmp_path / "absent")) == []


def test_a_day_folder_deleted_while_it_is_listed_has_no_hours(tmp_path, monkeypatch):
    """Retention may take the last hour of a day, and the folder, while others look."""
    for day in ("2025-12-13", "2025-12-14"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "21.jsonl").touch()
    listed = paths._names

    def deleted_first(folder: Path):
        if folder.name == "2025-12-13":
            shutil.rmtree(folder)
        return listed(folder)

    monkeypatch.setattr(paths, "_names", deleted_first)
    assert [key for key, _ in paths.hour_files(tmp_path)] == ["2025-12-14/21"]


def test_the_instruments_of_a_stream_are_its_folders(vault):
    """What is no instrument's folder is passed over; a stream never recorded has none."""
    assert paths.instruments(vault.trades) == []
    folder = vault.root / "raw" / "okx" / "trades_perps"
    for name in ("ETH-USDT-SWAP", "BTC-USDT-SWAP", "notes", ".cache", "btc-usdt-swap"):
        (folder / name).mkdir(parents=True)
    (folder / "SOL-USDT-SWAP").touch()
    assert paths.instruments(vault.trades) == ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]


def test_listing_takes_the_plain_form_first_and_nothing_else(tmp_path):
    """Of a plain and a packed hour the plain one counts; other names are left alone."""
    day = tmp_path / "2023-04-04"
    day.mkdir()
    for name in ("00.jsonl", "00.jsonl.gz", "01.jsonl.gz", "24.jsonl", "1.jsonl", "02.jsonl.torn",
                 ".03.jsonl.tmp", "notes.txt"):  # fmt: skip
        (day / name).touch()
    (tmp_path / "2023-13-01").mkdir()
    (tmp_path / "2023-13-01" / "00.jsonl").touch()
    (tmp_path / "2023-04-03.jsonl").touch()
    assert list(hour_files(tmp_path)) == [
        ("2023-04-04/00", day / "00.jsonl"), ("2023-04-04/01", day / "01.jsonl.gz"),
    ]  # fmt: skip
    assert list(hour_files(tmp_path / "absent")) == []


def test_the_newest_files_first(tmp_path):
    """The same files as oldest first, of hours, of flat days, and of days that have both."""
    for name in ("2025-12-12.jsonl", "2025-12-13.jsonl.gz", "2025-12-14.jsonl", "2025-12-15/07.x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("2025-12-13/21.jsonl", "2025-12-13/22.jsonl.gz", "2025-12-16/00.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    books = list(paths.book_files(tmp_path))
    assert [key for key, _ in books] == [
        "2025-12-12", "2025-12-13/21", "2025-12-13/22", "2025-12-14", "2025-12-16/00",
    ]  # fmt: skip
    assert list(paths.book_files(tmp_path, newest_first=True)) == books[::-1]
    days = list(paths.day_files(tmp_path))
    assert list(paths.day_files(tmp_path, newest_first=True)) == days[::-1]


def test_only_days_that_exist_have_files(tmp_path):
    """A name that no reader knows is a stray: it is named, and nothing is read from it."""
    for name in ("2025-02-28.jsonl", "2025-02-31.jsonl", "2025-02-27.JSONL", "2025-02-27 2.jsonl"):
        (tmp_path / name).write_bytes(b"")
    for day in ("2025-02-26", "2025-02-30"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "07.jsonl").write_bytes(b"")
    for known in ("2025-02-28.jsonl.torn", ".2025-02-28.jsonl.tmp", "2025-02-26/07.jsonl.torn"):
        (tmp_path / known).write_bytes(b"")
    (tmp_path / "2025-02-26" / "7.jsonl").write_bytes(b"")
    assert [key for key, _ in day_files(tmp_path)] == ["2025-02-28"]
    assert [key for key, _ in hour_files(tmp_path)] == ["2025-02-26/07"]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in strays(tmp_path)) == [
        "2025-02-26/7.jsonl", "2025-02-27 2.jsonl", "2025-02-27.JSONL", "2025-02-30",
        "2025-02-31.jsonl",
    ]  # fmt: skip
    assert list(strays(tmp_path / "absent")) == []
