"""The log file of a program that runs on: it rotates if it can, and never stops the program."""

import errno
import logging

from ravequant import cli
from ravequant.log_file import RotatingFile


def test_a_full_disk_under_the_log_is_no_traceback(capsys, tmp_path, monkeypatch):
    """The line is on stderr; nothing else is said."""
    cli.set_up_logging("info", tmp_path / "probe.log")
    handler = next(one for one in logging.getLogger().handlers if hasattr(one, "maxBytes"))
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(handler, "flush", lambda: (_ for _ in ()).throw(full))
        logging.getLogger("probe").warning("here")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_log_that_cannot_rotate_goes_on(tmp_path, monkeypatch):
    """A reader that holds the log open (Windows) costs no line."""
    log_file = tmp_path / "probe.log"
    cli.set_up_logging("info", log_file)
    handler = next(one for one in logging.getLogger().handlers if hasattr(one, "maxBytes"))
    handler.maxBytes = 10
    monkeypatch.setattr(handler, "rotate", lambda *_: (_ for _ in ()).throw(PermissionError()))
    for number in range(3):
        logging.getLogger("probe").warning("line %d", number)
    assert log_file.read_text(encoding="utf-8").count("line") == 3


def test_a_full_log_rotates(tmp_path):
    """The newest lines stand in the file itself, older ones in numbered copies."""
    handler = RotatingFile(tmp_path / "x.log", maxBytes=10, backupCount=1, encoding="utf-8")
    for number in range(3):
        handler.emit(logging.makeLogRecord({"msg": f"line {number}"}))
    handler.close()
    assert (tmp_path / "x.log").read_text(encoding="utf-8") == "line 2\n"
    assert (tmp_path / "x.log.1").read_text(encoding="utf-8") == "line 1\n"


def test_other_errors_are_still_reported(tmp_path, capsys):
    """A message that cannot be formatted is a mistake of the program, not of the disk."""
    handler = RotatingFile(tmp_path / "x.log", maxBytes=0, backupCount=0, encoding="utf-8")
    handler.emit(logging.makeLogRecord({"msg": "%d", "args": ("text",)}))
    handler.close()
    assert "TypeError" in capsys.readouterr().err
