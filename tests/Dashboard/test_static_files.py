"""Dashboard/static_files.py: the files of the page by name."""

from starlette.datastructures import Headers

from Dashboard.static_files import StaticFiles


def answer(files, name, version="", **headers):
    return files.answer(
        name, Headers({key.replace("_", "-"): headers[key] for key in headers}), version
    )


def test_files_are_found_by_name_and_kept_by_hash(tmp_path):
    """With the page's hash a file may be kept for ever; without it the browser asks again."""
    (tmp_path / "chart").mkdir()
    (tmp_path / "main.js").write_text("1", encoding="utf-8")
    (tmp_path / "chart" / "chart.js").write_text("2", encoding="utf-8")
    (tmp_path / "secret.py").write_text("3", encoding="utf-8")
    files = StaticFiles(tmp_path)
    found = answer(files, "chart/chart.js", files.page_hash)
    assert (found.body, found.media_type) == (b"2", "text/javascript; charset=utf-8")
    assert "immutable" in found.headers["cache-control"]
    asked_again = answer(files, "main.js", if_none_match=answer(files, "main.js").headers["etag"])
    assert (asked_again.status_code, asked_again.body) == (304, b"")
    assert asked_again.headers["cache-control"] == "no-cache"
    assert answer(files, "secret.py") is None
    assert answer(files, "../main.js") is None


def test_the_page_names_its_files_by_their_hash(tmp_path):
    """So they are read again only when the page has changed."""
    (tmp_path / "index.html").write_text('<script src="/static/main.js">', encoding="utf-8")
    files = StaticFiles(tmp_path)
    page = answer(files, "index.html")
    assert page.body.decode() == f'<script src="/static/main.js?v={files.page_hash}">'
    assert page.headers["cache-control"] == "no-cache"


def test_a_changed_file_changes_the_hash_of_the_page(tmp_path):
    """An open page learns from it that it is old."""
    (tmp_path / "main.js").write_text("1", encoding="utf-8")
    before = StaticFiles(tmp_path).page_hash
    (tmp_path / "main.js").write_text("2", encoding="utf-8")
    assert StaticFiles(tmp_path).page_hash != before
