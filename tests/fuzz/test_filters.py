"""Whatever a filter wants, and whatever a body holds: one verdict of three."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_green_notify.contacts import CHAT_KINDS
from airflow_green_notify.filters import NotificationFilter, Verdict, judge
from airflow_green_notify.notification import Notification
from tests.fuzz.values import Body, bodies, texts, values

pytestmark = pytest.mark.fuzz

NAMES = [field.name for field in fields(NotificationFilter)]


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


wanted = texts | st.sampled_from(
    ["incomingMessageReceived", "textMessage", "12025550101@c.us", "(?i)order", "."]
)
# Escaped, since one made by chance may search without end.
patterns = texts.map(re.escape) | st.sampled_from(["", "(?i)order", r"^\d+", ".*"])


def _parts(kind: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return kind | st.lists(kind, min_size=1, max_size=3)


paths = st.sampled_from(["messageData.typeMessage", "senderData", "", ".", "messageData..x"]) | texts
special = {
    "text": _parts(patterns),
    "direction": _parts(st.sampled_from(["incoming", "outgoing"])),
    "chat_kind": _parts(st.sampled_from(CHAT_KINDS)),
    "body": st.dictionaries(paths, _parts(wanted | st.booleans() | st.integers()), min_size=1, max_size=3),
}
plain = {name: special.get(name, _parts(wanted)) for name in NAMES if name != "not_"}
negatives = st.fixed_dictionaries({}, optional=plain).filter(bool)
filters = st.fixed_dictionaries({}, optional={**plain, "not_": negatives})


@given(filters, bodies)
def test_any_filter_judges_any_body(parts: dict[str, Any], body: Body) -> None:
    """A filter of parts never errs, and one that came through JSON says the same."""
    accept, notification = NotificationFilter(**parts), Notification(1, body.value)
    verdict = judge(accept, notification)
    assert verdict in (Verdict.MATCH, Verdict.MISS)
    assert judge(NotificationFilter.from_dict(accept.as_dict()), notification) is verdict
    if not parts:
        assert verdict is Verdict.MATCH


@given(bodies, st.sampled_from([ValueError, KeyError, RecursionError, StopIteration, OSError]))
def test_any_function_that_raises_is_an_error_and_no_miss(body: Body, kind: type[Exception]) -> None:
    """What a function can't judge stays where it is."""

    def accept(notification: Notification) -> bool:
        raise kind

    assert judge(accept, Notification(1, body.value)) is Verdict.ERROR


@given(st.dictionaries(st.sampled_from(NAMES) | texts, values, max_size=3))
def test_any_object_is_a_filter_or_refused(value: dict[str, Any]) -> None:
    """It comes from the arguments of a trigger, from templates and from the results of tasks."""
    try:
        accept = NotificationFilter.from_dict(value)
    except ValueError:
        return
    assert set(accept.as_dict()) <= set(NAMES)
    assert all(map(_compiles, accept.text or ()))
