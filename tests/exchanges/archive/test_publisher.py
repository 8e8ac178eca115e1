"""The files of days, found in listings or named absent."""

from dataclasses import replace

from ravequant.exchanges import load_publisher
from ravequant.exchanges.archive.published import Published, PublishedFile
from ravequant.exchanges.archive.publisher import DayFiles, list_days, list_funding

BTC = "BTC-USDT-SWAP"
OKX = load_publisher("okx")


class Listed:
    """A listing that has some files; it notes the questions."""

    def __init__(self, *names: tuple[str, str, str]) -> None:
        self.names = set(names)
        self.asked: list[tuple[str, str, list[str]]] = []

    def files(self, stream, inst_id, labels, /):
        wanted = sorted(labels)
        self.asked.append((stream, inst_id, wanted))
        found = [label for label in wanted if (stream, inst_id, label) in self.names]
        return Published(
            tuple(file(stream, label, inst_id) for label in found),
            tuple(label for label in wanted if label not in found),
        )

    def close(self):
        pass


def file(stream, label, inst_id=BTC):
    return PublishedFile(f"{inst_id}-{stream}-{label}", stream, inst_id, label, "", 1)


def test_each_label_is_asked_for_once_and_stands_with_its_days():
    """Two days of trades need three labels, of books two."""
    labels = ("2025-01-01", "2025-01-02", "2025-01-03")
    listing = Listed(*(("trades", BTC, label) for label in labels), ("books", BTC, labels[0]))
    days = list_days(OKX, listing, BTC, ("trades", "books"), [labels[1], labels[0], labels[0]])
    assert listing.asked == [("trades", BTC, list(labels)), ("books", BTC, list(labels[:2]))]
    assert days == [
        DayFiles(
            labels[0],
            (file("trades", labels[0]), file("trades", labels[1]), file("books", labels[0])),
        ),
        DayFiles(
            labels[1],
            (file("trades", labels[1]), file("trades", labels[2])),
            (("books", labels[1]),),
        ),
    ]


def test_funding_comes_by_months_and_else_by_days():
    """The running month has a file of all instruments a day."""
    listing = Listed(
        ("funding", BTC, "2025-01"), ("funding", "allswap", "2025-02-01"),
    )  # fmt: skip
    found = list_funding(OKX, listing, BTC, ["2025-01-30", "2025-01-31", "2025-02-01"])
    assert found == [file("funding", "2025-01"), file("funding", "2025-02-01", "allswap")]
    assert listing.asked[1] == ("funding", "allswap", ["2025-02-01", "2025-02-02"])


def test_no_days_need_no_files():
    """Nothing is asked for but an empty list."""
    assert list_days(OKX, Listed(), BTC, ("trades",), []) == []
    assert replace(DayFiles("2025-01-01", ()), day="x").absent == ()
