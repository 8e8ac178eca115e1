"""Answers of the local exchange in the shapes of the real one."""

import json

from ravequant.sim.replies import RestError, envelope, too_many


def test_an_envelope_has_code_message_and_data():
    """Code 0 unless another is given."""
    answer = envelope([1, 2])
    assert json.loads(answer.body) == {"code": "0", "msg": "", "data": [1, 2]}
    assert (answer.status, answer.rows) == (200, 2)


def test_a_refusal_has_the_body_that_was_recorded(shared_data):
    """Eleven days asked for: HTTP 400 with an empty message."""
    path = shared_data / "okx_archive/listing/recorded_http400_eleven_days.json"
    answer = RestError("50076", "", 400).answer
    assert (answer.status, json.loads(answer.body)) == (400, json.loads(path.read_bytes()))


def test_too_many_requests_have_no_data(shared_data):
    """As recorded."""
    path = shared_data / "okx_archive/listing/recorded_http429.json"
    answer = too_many(429)
    assert (answer.status, json.loads(answer.body)) == (429, json.loads(path.read_bytes()))
