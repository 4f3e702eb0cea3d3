"""Whatever bytes answer a call: a result, or an error of ours without the token."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_green_notify.errors import GreenApiConfigError, GreenApiError, GreenApiResponseError
from airflow_green_notify.notification import Notification
from airflow_green_notify.protocol import calls
from airflow_green_notify.protocol.answers import read_answer
from tests.fuzz.shown import shows_token, texts_of
from tests.fuzz.values import TOKENS, Body, as_text, bodies, corpus, examples, scalars, texts, values

pytestmark = pytest.mark.fuzz

CALLS = [
    calls.receive_notification(5),
    calls.delete_notification(1),
    calls.get_state_instance(),
    calls.get_settings(),
    calls.set_settings(),
    calls.get_webhooks_count(),
    calls.clear_webhooks_queue(),
    calls.send_message("12025550101@c.us", "text", None),
    calls.send_file_by_url("12025550101@c.us", "https://example.org/a.pdf", "a.pdf", None, None),
    calls.show_messages_queue(),
    calls.download_file("12025550101@c.us", "AA", None),
    calls.last_incoming_messages(1440),
    calls.last_outgoing_messages(1440),
    calls.call("POST", "archiveChat"),
    calls.qr(),
    calls.forward_messages("12025550101@c.us", "12025550102@c.us", ["AA"]),
    calls.delete_message("12025550101@c.us", "AA"),
    calls.check_whatsapp(12025550101),
    calls.get_message("12025550101@c.us", "AA"),
    calls.get_contacts(),
]

statuses = st.sampled_from([200] * 5 + [400, 401, 403, 404, 429, 466, 500, 502]) | st.integers(100, 999)
_MEMBERS = (
    "receiptId body code status message reason description path result saveSettings isCleared leftTime count "
    "\u0441ount stateInstance idMessage downloadUrl invokeStatus correspondentsStatus"
)
_ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])


@st.composite
def words(draw: st.DrawFn, token: str) -> str:
    """Draw words of the gateway, which may repeat the path of the request as it likes to write it."""
    spellings = (token, quote(token), quote(token, safe=""), quote(token, safe="").lower())
    spelling = draw(st.sampled_from(("", *spellings)))
    return draw(texts) + (spelling and f"/waInstance1101000001/receiveNotification/{spelling}")


@st.composite
def answers(draw: st.DrawFn, token: str) -> Any:
    """Draw what looks like an answer of the gateway, with anything for its members."""
    names = draw(st.lists(st.sampled_from(_MEMBERS.split()), max_size=5))
    return {name: draw(words(token) | scalars | answers(token) | values) for name in names}


@st.composite
def contents(draw: st.DrawFn, token: str) -> bytes:
    """Draw the bytes of an answer: noise, plain words, JSON in any encoding, or a part of such."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(st.binary(max_size=60))
    if kind == 1:
        return draw(words(token)).encode("utf-8", "surrogatepass")
    value = draw(
        answers(token) | values | bodies.map(vars) if kind == 2 else answers("" if kind == 3 else token)
    )
    text = as_text(value, ensure_ascii=draw(st.booleans())) or "[" * 2_000
    encoded = text.encode(draw(_ENCODINGS) if kind == 2 else "utf-8", "surrogatepass")
    return encoded[: draw(st.integers(0, 200))] if kind == 3 else encoded


T = TOKENS[0]
FOUND = [
    pytest.param(200, b'{"isCleared":false,"leftTime":' + b"9" * 900 + b"}", None, id="left time"),
    pytest.param(200, b"[" * 20_000, None, id="opened"),
    pytest.param(200, b'{"receiptId":1,"body":' + b"[" * 5_000 + b"]" * 5_000 + b"}", None, id="deep body"),
    pytest.param(200, b'{"code":401,"message":' + b"[" * 700 + b"]" * 700 + b"}", None, id="deep words"),
    pytest.param(200, b'{"isCleared":false,"reason":"' + T.encode() + b'"}', None, id="token in reason"),
    pytest.param(429, b"", "9" * 5_000, id="retry after"),
]

retry_afters = st.none() | texts | st.integers(0, 10**9).map(str) | st.just("9" * 5_000)


@given(st.sampled_from(CALLS), statuses, st.sampled_from(TOKENS), st.data(), retry_afters)
def test_any_answer_is_a_result_or_an_error_without_the_token(
    call: calls.Call, status: int, token: str, data: st.DataObject, retry_after: str | None
) -> None:
    """Nothing else is ever raised: a caller that handles our errors handles whatever a gateway may send."""
    check_answer(call, status, token, data.draw(contents(token)), retry_after)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.method)
@pytest.mark.parametrize(("status", "body", "retry_after"), FOUND)
def test_answer_that_once_failed_is_a_result_or_an_error_without_the_token(
    call: calls.Call, status: int, body: bytes, retry_after: str | None
) -> None:
    """What was found once stays found."""
    check_answer(call, status, T, body, retry_after)


def check_answer(call: calls.Call, status: int, token: str, body: bytes, retry_after: str | None) -> None:
    raised = None
    try:
        read_answer(call, status, body, token=token, retry_after=retry_after)
    except GreenApiError as error:
        raised = error
    assert raised is None or not shows_token(*texts_of(raised))
    if isinstance(raised, GreenApiResponseError):
        assert isinstance(raised.status, int)
        assert raised.retry_after is None or raised.retry_after >= 0


@given(bodies)
@examples(*corpus())
def test_any_body_arrives_however_it_is_written(body: Body) -> None:
    """Spaces, escapes, the order of members and the encoding change nothing: the key is the same."""
    envelope = {"receiptId": 7, "body": body.value}
    ways: list[tuple[dict[str, Any], str]] = [
        ({}, "utf-8"),
        ({"ensure_ascii": False}, "utf-8"),
        ({"indent": 1, "sort_keys": True}, "utf-16"),
        ({"separators": (",", ":")}, "utf-8-sig"),
    ]
    written = [(as_text(envelope, **how), encoding) for how, encoding in ways]
    answers = [text.encode(encoding, "surrogatepass") for text, encoding in written if text is not None]
    found = [read_answer(CALLS[0], 200, answer) for answer in answers]
    assert all(isinstance(each, Notification) and each.receipt_id == 7 for each in found)
    assert len({each.key for each in found}) <= 1


@given(verb=texts, method=texts, payload=st.none() | st.dictionaries(texts, values, max_size=3))
def test_any_method_name_and_payload_stay_where_they_belong(verb: str, method: str, payload: Any) -> None:
    """Refused with words, or one segment of the path and one query."""
    for word, name in ((verb, method), ("GET", "getContacts"), ("POST", "archiveChat"), ("GET", method)):
        try:
            call = calls.call(word, name, payload)
        except GreenApiConfigError:
            continue
        path, _, query = call.url("https://h", "1", "T").partition("?")
        assert path == f"https://h/waInstance1/{name}/T"
        assert query.isascii()
        assert not {*"#/? "} & {*query}
