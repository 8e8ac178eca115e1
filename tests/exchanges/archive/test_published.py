"""Files and listings are plain values."""

from ravequant.exchanges.archive.published import Published, PublishedFile


def test_a_listing_keeps_files_and_absent_labels_apart():
    """What is there, and what is not."""
    file = PublishedFile("a.zip", "trades", "A-B", "2025-01-31", "https://x/a.zip", 5)
    found = Published((file,), ("2025-02-01",))
    assert found == Published((file,), ("2025-02-01",))
    assert found.files[0].size_hint == 5
