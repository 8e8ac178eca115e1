"""What each refusal of Discord means for the message, for those after it, and for the reader."""

import orjson
import pytest

from ravequant.alerts.refusals import DeliveryStatus, refusal

OFF, LATER, REFUSED = DeliveryStatus.OFF, DeliveryStatus.LATER, DeliveryStatus.REFUSED


def body(code, message="Words"):
    return orjson.dumps({"code": code, "message": message})


def test_a_forum_is_told_with_its_reason_and_its_remedy():
    """A webhook of a forum or media channel needs a thread, which the address may name."""
    message = "Webhooks posted to forum channels must have a thread_name or thread_id"
    found = refusal(400, body(220001, message))
    assert (found.status, found.why) == (OFF, f"HTTP 400, code 220001: {message}")
    assert found.remedy == (
        "end the webhook's address in ?thread_id=NUMBER, the last number of the link of a thread "
        "or post of that channel, and start again"
    )


@pytest.mark.parametrize(
    ("status", "code", "fate", "remedy"),
    [
        (404, 10003, OFF, "?thread_id=NUMBER"),
        (404, 10015, OFF, "make a new webhook"),
        (401, 50027, OFF, "make a new webhook"),
        (403, 50001, OFF, "let webhooks write"),
        (403, 50013, OFF, "let webhooks write"),
        (400, 50024, OFF, "in a text channel"),
        (400, 50083, OFF, "open the archived thread"),
        (400, 160005, OFF, "unlock the thread"),
        (400, 40058, OFF, "?thread_id=NUMBER"),
        (400, 40067, OFF, "?thread_id=NUMBER"),
        (400, 220002, OFF, "?thread_id=NUMBER"),
        (400, 220003, OFF, "in a text channel"),
        (400, 220004, OFF, "in a text channel"),
        (403, 40333, LATER, ""),  # whatever the status says
        (400, 20028, LATER, ""),
        (403, 40004, LATER, ""),
        (503, 130000, LATER, ""),
        (400, 50035, REFUSED, ""),
        (403, 200000, REFUSED, ""),  # one message that the moderation blocks
        (400, 240000, REFUSED, ""),
        (400, 999_999, REFUSED, ""),
        (403, 999_999, OFF, "make a new webhook"),
        (502, 999_999, LATER, ""),
        (408, 0, LATER, ""),
    ],
)
def test_the_code_decides_then_the_status(status, code, fate, remedy):
    """Nothing is tried for ever that cannot succeed, nothing is given up that may."""
    found = refusal(status, body(code))
    assert found.status is fate
    assert remedy in found.remedy
    assert bool(found.remedy) == (fate is OFF)
    assert found.why == f"HTTP {status}" + (f", code {code}" if code else "") + ": Words"


def test_the_field_at_fault_is_named():
    """The words of a form body name the place; one about the thread is a matter of the address."""
    errors = {"embeds": {"0": {"title": {"_errors": [{"code": "X", "message": "Too long."}]}}}}
    found = refusal(400, orjson.dumps({"code": 50035, "message": "Bad", "errors": errors}))
    assert (found.status, found.why) == (
        REFUSED, "HTTP 400, code 50035: Bad; embeds.0.title: Too long."
    )  # fmt: skip
    thread = {"thread_id": {"_errors": [{"message": "No snowflake."}]}}
    found = refusal(400, orjson.dumps({"code": 50035, "message": "Bad", "errors": thread}))
    assert found.status is OFF
    assert "thread_id=NUMBER" in found.remedy


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"<html>", b"[]", b"null", b"7", b'"x"', b"{}", b'{"code":"1","message":7}',
        b'{"code":true,"errors":[1]}', b'{"errors":{"_errors":{"a":1},"b":{"_errors":[1]}}}',
        b"[" * 300_000, b'{"errors":' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}",
    ],
    ids=range(12),
)  # fmt: skip
def test_an_answer_of_another_form_is_judged_by_its_status(answer):
    """Nothing is raised."""
    assert refusal(400, answer).status is REFUSED
    assert refusal(404, answer).status is OFF
    assert refusal(500, answer).status is LATER


def test_the_words_are_short_and_printable():
    """They stand in a log line."""
    found = refusal(400, body(1, "a\n\x1b[31m" + "x" * 500))
    assert found.why == f"HTTP 400, code 1: a  [31m{'x' * 153}"
