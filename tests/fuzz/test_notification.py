"""Whatever a body holds: it can be read, shown, told apart and passed on."""

from __future__ import annotations

import inspect
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_green_notify.errors import GreenApiPayloadError
from airflow_green_notify.notification import Notification
from tests.fuzz.values import (
    Body,
    backwards,
    bodies,
    corpus,
    examples,
    is_same,
    scalars,
    texts,
    values,
)

pytestmark = pytest.mark.fuzz

PROPERTIES = [
    name for name, _ in inspect.getmembers(Notification, lambda member: isinstance(member, property))
]
MAX_REPR = 300
MAX_XCOM = 1_000

found = examples(*corpus())


@given(bodies)
@found
def test_no_property_of_any_body_raises(body: Body) -> None:
    """What is odd is ``None``: a caller needs no case for it."""
    notification = Notification(1, body.value)
    shown = {name: getattr(notification, name) for name in PROPERTIES}
    assert notification.timestamp is None or notification.timestamp.utcoffset() is not None
    times = shown.pop("timestamp"), shown.pop("is_undecrypted")
    assert isinstance(times[0], datetime | None)
    assert all(isinstance(contact, str) for contact in shown.pop("contact_ids"))
    assert all(isinstance(value, str | None) for value in shown.values())


@given(bodies)
@found
def test_repr_of_any_body_is_short_and_printable(body: Body) -> None:
    """It stands in logs and on terminals, and others write the kind of a notification."""
    shown = repr(Notification(1, body.value))
    assert len(shown) < MAX_REPR
    assert shown.isprintable()


@given(bodies)
@found
def test_key_of_any_body_is_that_of_its_content(body: Body) -> None:
    """The order of members changes nothing, and neither does the receipt id."""
    key = Notification(1, body.value).key
    assert len(key) == 32
    assert Notification(2, body.value).key == key
    assert Notification(1, backwards(body.value)).key == key


@given(bodies, bodies)
def test_keys_of_two_bodies_differ_if_the_bodies_do(one: Body, other: Body) -> None:
    """Two notifications under one key are one to a store, and the second is lost."""
    keys = Notification(1, one.value).key, Notification(1, other.value).key
    assert (keys[0] == keys[1]) == is_same(one.value, other.value)


@given(bodies)
@found
def test_any_body_comes_back_from_its_json_form(body: Body) -> None:
    """Through XCom, an event or a file, which write it as JSON; the key is recognised as its own."""
    notification = Notification(7, body.value)
    back = Notification.from_dict(json.loads(json.dumps(notification.as_dict(), allow_nan=False)))
    assert (back.key, back.receipt_id) == (notification.key, 7)
    assert back.received_at == notification.received_at
    assert back.key_is_checked
    assert is_same(back.body, body.value)


@given(bodies)
@found
def test_any_body_is_a_row_of_portable_values(body: Body) -> None:
    """Text without what databases refuse, times with a zone, and the whole body as JSON."""
    row = Notification(7, body.value).as_row()
    for name, value in row.items():
        assert isinstance(value, str | datetime | None), name
        if isinstance(value, str):
            value.encode("utf-8")
            assert "\0" not in value


@given(bodies)
@found
def test_any_body_is_small_enough_for_xcom_or_refused(body: Body) -> None:
    """What goes there is below the limit, and pure JSON of what PostgreSQL takes."""
    try:
        value = Notification(7, body.value).as_xcom(MAX_XCOM)
    except GreenApiPayloadError:
        return
    text = json.dumps(value, allow_nan=False)
    assert len(text) <= MAX_XCOM
    in_body = json.dumps(value["body"])
    assert "\\u0000" not in in_body.replace("\\\\", "")
    assert Notification.from_dict(json.loads(text)).key == Notification(7, body.value).key


_MEMBERS = {
    "key": st.just("0" * 32) | texts | scalars,
    "receipt_id": st.integers(0, 9) | scalars,
    "received_at": st.datetimes().map(datetime.isoformat) | st.just("2026-01-01T00:00:00+00:00") | scalars,
    "body": values,
    "body_text": texts | values.map(json.dumps) | values,
}


@given(st.fixed_dictionaries({}, optional=_MEMBERS) | values)
@example({"key": "0" * 32, "receipt_id": float("inf"), "received_at": "2026-01-01T00:00:00Z", "body": {}})
@example({"key": "0" * 32, "receipt_id": 1, "received_at": "2026-01-01T00:00:00", "body": {}})
def test_any_json_is_a_notification_or_refused_with_words(value: Any) -> None:
    """Whoever may write an asset event, an XCom or a run's conf may write this."""
    notification = refused = None
    try:
        notification = Notification.from_dict(value)
    except ValueError as error:
        refused = str(error)
    if notification is None:
        assert refused
        assert refused.isprintable()
        assert len(refused) < 1_000
        return
    assert set(notification.key) <= set("0123456789abcdef")
    assert notification.received_at.utcoffset() is not None
    back = Notification.from_dict(notification.as_dict())
    assert (back.key, back.receipt_id, back.received_at) == (
        notification.key,
        notification.receipt_id,
        notification.received_at,
    )
    assert is_same(back.body, notification.body)
