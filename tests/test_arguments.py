"""Arguments: what is wrong is said where it is written, or else where it is known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_green_notify import arguments
from airflow_green_notify.filters import NotificationFilter, judge
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import SqlStore

NO_TEMPLATES = ["text", "{single}", 5, None, ["a"], {"a": "b"}, SqlStore("warehouse"), judge]
TEMPLATES = ["{{ params.x }}", "{% if a %}b{% endif %}", ["a", "{{ b }}"], {"a": ["{{ b }}"]}]


@pytest.mark.parametrize("value", TEMPLATES)
def test_template_is_found_wherever_it_stands(value: Any) -> None:
    """Jinja in a text, a list or a dict hides what the value will be."""
    assert arguments.has_template(value)


@pytest.mark.parametrize("value", NO_TEMPLATES)
def test_value_without_template_is_known(value: Any) -> None:
    """Everything else is what it is."""
    assert not arguments.has_template(value)


def test_output_of_another_task_counts_as_template() -> None:
    """What a task returns is known only after it ran."""

    @task
    def ask() -> str:
        return "QUESTION"

    with DAG("dag_of_outputs", schedule=None):
        asked = ask()
    assert arguments.has_template(asked)
    arguments.check_matching("matching", {"quoted_id": asked})


# --- filters ---


async def asynchronous(notification: Notification) -> bool:
    return False


WRONG_FILTERS = [
    ({"txt": "yes"}, "'txt'", "type_webhook, type_message, chat_id, sender, text, status, quoted_id"),
    ({"text": "("}, "text='('", "regular expression"),
    ({"chat_id": []}, "chat_id", "leave it out"),
    ({"chat_id": None}, "chat_id is None", "leave it out"),
    ({"chat_id": {"a": 1}}, "{'a': 1}", "text or a list of texts"),
    ("yes", "'yes'", "NotificationFilter"),
    (["yes"], "['yes']", "NotificationFilter"),
    (None, "None", "NotificationFilter"),
    (asynchronous, "asynchronous", "plain function"),
]


@pytest.mark.parametrize(("value", "was", "allowed"), WRONG_FILTERS)
def test_wrong_filter_is_refused_with_what_it_was_and_what_is_allowed(
    value: Any, was: str, allowed: str
) -> None:
    """The text names the argument; the same at parse time and at run time."""
    for judged in (arguments.check_matching, arguments.matching_of):
        with pytest.raises(ValueError, match=r"^matching[ :]") as raised:
            judged("matching", value)
        assert was in str(raised.value)
        assert allowed in str(raised.value)


@pytest.mark.parametrize(
    ("value", "wrong"),
    [({"txt": "{{ x }}"}, "txt"), ({"chat_id": "{{ x }}", "text": "("}, "text"), ("{{ x }}", "")],
)
def test_template_hides_its_own_value_only(value: Any, wrong: str) -> None:
    """An unknown name and what stands beside a template are judged all the same."""
    if not wrong:
        arguments.check_matching("matching", value)
        return
    with pytest.raises(ValueError, match=wrong):
        arguments.check_matching("matching", value)


def test_filter_comes_back_in_the_form_that_judges() -> None:
    """A dict becomes a filter, and what judges already stays itself."""
    given = NotificationFilter(chat_id="1@c.us")
    assert arguments.matching_of("matching", {"chat_id": "1@c.us"}) == given
    assert arguments.matching_of("matching", given) is given
    assert arguments.matching_of("matching", bool) is bool
    assert arguments.matching_of("matching", {}) == NotificationFilter()


# --- stores ---


@pytest.mark.parametrize("value", ["delete", "s3://bucket", None, SqlStore, Path("folder"), 5])
def test_what_is_no_store_is_refused_with_what_is_allowed(value: Any) -> None:
    """A word, a path and a class are none."""
    wanted = f"^unmatched is {re.escape(repr(value))}; it must be 'keep' or a store, such as SqlStore"
    with pytest.raises(ValueError, match=wanted):
        arguments.check_store("unmatched", value, "keep")


def test_store_and_word_are_taken() -> None:
    """A store of one's own needs no base class."""

    class Store:
        def open(self) -> None: ...

        put = close = release = open

    for value in (SqlStore("warehouse"), Store(), "keep", "{{ x }}"):
        arguments.check_store("unmatched", value, "keep")


def test_rendered_word_that_is_no_store_is_refused() -> None:
    """At run time a template hides nothing any more."""
    with pytest.raises(ValueError, match=r"store is '{{ x }}'; it must be a store"):
        arguments.store_of("store", "{{ x }}")


# --- seconds ---


@pytest.mark.parametrize("value", [100, 0, -1, "100", "five", None, float("nan"), [5]])
def test_wrong_receive_timeout_is_refused(value: Any) -> None:
    """The gateway holds a request open for a minute at most."""
    for judged in (arguments.check_receive_timeout, arguments.receive_timeout_of):
        with pytest.raises(ValueError, match=f"^receive_timeout is {re.escape(repr(value))}; .*5 .* 60"):
            judged(value)


def test_receive_timeout_is_taken_as_number_and_as_text() -> None:
    """A rendered template is a text."""
    arguments.check_receive_timeout("{{ params.seconds }}")
    assert arguments.receive_timeout_of("7") == arguments.receive_timeout_of(7) == 7.0
