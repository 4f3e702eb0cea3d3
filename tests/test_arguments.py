"""Arguments: what is wrong is said where it is written, or else where it is known."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath, task

from airflow_green_notify import arguments
from airflow_green_notify.filters import NotificationFilter, Verdict, judge
from airflow_green_notify.notification import Notification
from airflow_green_notify.stores import NotificationStore, ObjectStorageStore, SqlStore

NO_TEMPLATES = ["text", "{single}", 5, None, ["a"], {"a": "b"}, SqlStore("warehouse"), judge, Path("folder")]
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
    assert arguments.filter_argument("matching", {"quoted_id": asked}) == {"quoted_id": asked}


def test_long_value_is_cut_in_the_text() -> None:
    """An error stays a line, whatever was given."""
    with pytest.raises(ValueError, match="…") as raised:
        arguments.count_of("minutes", "x" * 5000)
    assert len(str(raised.value)) < 300


# --- filters ---


async def asynchronous(notification: Notification) -> bool:
    return False


WRONG_FILTERS = [
    ({"txt": "yes"}, "'txt'", "type_webhook, type_message, chat_id, sender, text, status, quoted_id"),
    ({"text": "("}, "text='('", "regular expression"),
    ({"chat_id": []}, "chat_id", "leave it out"),
    ({"chat_id": None}, "chat_id is None", "leave it out"),
    ({"chat_id": {"a": 1}}, "{'a': 1}", "text or a list of texts"),
    ({"chat_id": "None"}, "chat_id is 'None'", "@c.us"),
    ({"sender": ["1@c.us", "+1 202 555 0101"]}, "sender is '+1 202 555 0101'", "@c.us"),
    ({"quoted_id": "None"}, "quoted_id is 'None'", "Did a task return nothing?"),
    (NotificationFilter(chat_id="Ann"), "chat_id is 'Ann'", "@c.us"),
    (NotificationFilter, "NotificationFilter", "a NotificationFilter, its arguments"),
    ("yes", "'yes'", "NotificationFilter"),
    (["yes"], "['yes']", "NotificationFilter"),
    (None, "None", "NotificationFilter"),
    (asynchronous, "asynchronous", "plain function"),
    (functools.partial(asynchronous), "partial", "plain function"),
]


@pytest.mark.parametrize(("value", "was", "allowed"), WRONG_FILTERS)
def test_wrong_filter_is_refused_with_what_it_was_and_what_is_allowed(
    value: Any, was: str, allowed: str
) -> None:
    """The text names the argument; the same at parse time and at run time."""
    for judged in (arguments.filter_argument, arguments.matching_of):
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
        assert arguments.filter_argument("matching", value) == value
        return
    with pytest.raises(ValueError, match=wrong):
        arguments.filter_argument("matching", value)


@pytest.mark.parametrize(
    "chat_id",
    ["12025550101@c.us", "1202555-1234@g.us", "2000042@lid", "-10042", 42, "status@broadcast", "null@c.us"],
)
def test_filter_takes_each_id_that_notifications_carry(chat_id: Any) -> None:
    """Also those that nothing can be sent to."""
    assert arguments.matching_of("matching", {"chat_id": chat_id, "sender": [chat_id]})


def test_filter_comes_back_in_the_form_that_judges() -> None:
    """A dict becomes a filter, and what judges already stays itself."""
    given = NotificationFilter(chat_id="1@c.us")
    assert arguments.matching_of("matching", {"chat_id": "1@c.us"}) == given
    assert arguments.matching_of("matching", given) == given
    assert arguments.matching_of("matching", bool) is bool
    assert arguments.matching_of("matching", {}) == NotificationFilter()


def test_filter_in_a_template_field_is_what_airflow_renders_or_leaves_alone() -> None:
    """A filter becomes a dict, a dict stays the one that was given, and a function is not called."""
    given = {"chat_id": "{{ params.chat }}"}
    held = arguments.filter_argument
    assert held("matching", given) is given
    assert held("matching", NotificationFilter(chat_id="{{ x }}", text=["a", "b"])) == {
        "chat_id": "{{ x }}",
        "text": ["a", "b"],
    }
    function = held("matching", bool)
    assert not callable(function)
    assert arguments.matching_of("matching", function) is bool


def test_filter_whose_answer_would_have_to_be_awaited_is_an_error_and_no_match() -> None:
    """What is async behind a plain function is found when it is called."""
    assert judge(lambda n: asynchronous(n), Notification(1, {})) is Verdict.ERROR


# --- stores ---


@pytest.mark.parametrize("value", ["delete", "s3://bucket", None, SqlStore, Path("folder"), 5])
def test_what_is_no_store_is_refused_with_what_is_allowed(value: Any) -> None:
    """A word, a path and a class are none."""
    wanted = f"^unmatched is {re.escape(repr(value))}; it must be 'keep' or a store, such as SqlStore"
    with pytest.raises(ValueError, match=wanted):
        arguments.store_or("keep")("unmatched", value)
    with pytest.raises(ValueError, match=wanted.replace("'keep' or ", "")):
        arguments.store_of("unmatched", value)


def test_store_and_word_are_taken() -> None:
    """A store of one's own needs no base class, but all of its methods."""

    class Store:
        def open(self) -> None: ...

        put = close = release = begin_attempt = finish = held_messages = open
        not_handed_on = adopt = settle = forget_attempts = open

        @property
        def leases(self) -> Any:
            raise RuntimeError("The store is not open.")

    class Short:
        open = Store.open
        close = Store.open

    for value in (SqlStore("warehouse"), Store(), "keep"):
        assert arguments.store_or("keep")("unmatched", value) is value
    with pytest.raises(ValueError, match=r"this one lacks put, .*adopt"):
        arguments.store_of("store", Short())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (SqlStore("a"), SqlStore("a"), True),
        (SqlStore("a"), SqlStore("a", table="rest"), False),
        (SqlStore("{{ x }}"), SqlStore("{{ x }}"), True),
        (ObjectStorageStore("/a"), ObjectStorageStore("/a/", format="parquet"), True),
        (ObjectStorageStore("s3://a"), ObjectStorageStore(ObjectStoragePath("s3://a")), True),
        (ObjectStorageStore("s3://a", conn_id="a"), ObjectStorageStore("s3://a", conn_id="b"), False),
        (ObjectStorageStore("a"), SqlStore("a"), False),
    ],
)
def test_stores_are_the_same_if_they_describe_the_same_place(one: Any, other: Any, same: bool) -> None:
    """Whatever was made of it."""
    assert (one == other) is same
    assert (hash(one) == hash(other)) is same
    if same:
        with pytest.raises(ValueError, match="store and unmatched are the same, "):
            arguments.check_apart("store", one, "unmatched", other)
    else:
        arguments.check_apart("store", one, "unmatched", other)


def test_store_of_ones_own_is_the_same_as_itself_only() -> None:
    """Nothing is known of what it writes to."""

    class Archive(NotificationStore):
        """A store of one's own."""

    archive = Archive()
    assert archive != Archive()
    assert repr(archive).endswith("Archive()")
    with pytest.raises(ValueError, match="are the same"):
        arguments.check_apart("store", archive, "unmatched", archive)


# --- numbers, words, times ---


@pytest.mark.parametrize("value", [100, 0, -1, "100", "five", None, float("nan"), [5], True])
def test_wrong_receive_timeout_is_refused(value: Any) -> None:
    """The gateway holds a request open for a minute at most."""
    with pytest.raises(ValueError, match=f"^receive_timeout is {re.escape(repr(value))}; .*5 .* 60"):
        arguments.receive_timeout_of("receive_timeout", value)


TAKEN: list[tuple[arguments.Judge, Any, Any]] = [
    (arguments.receive_timeout_of, "7", 7.0),
    (arguments.receive_timeout_of, timedelta(seconds=7), 7.0),
    (arguments.seconds_of, 0, 0.0),
    (arguments.seconds_of, timedelta(minutes=1), 60.0),
    (arguments.positive_seconds_of, "0.5", 0.5),
    (arguments.count_of, "2", 2),
    (arguments.count_of, 2.0, 2),
    (arguments.integer_of, "-7", -7),
    (arguments.optional(arguments.count_of), None, None),
    (arguments.optional(arguments.count_of), "None", None),
    (arguments.optional(arguments.count_of), "", None),
    (arguments.optional(arguments.count_of), "3", 3),
    (arguments.boolean_of, True, True),
    (arguments.boolean_of, "False", False),
    (arguments.choice_of("a", "b"), "b", "b"),
    (arguments.names_of("a", "b"), "b", ("b",)),
    (arguments.names_of("a", "b"), ["b", "a"], ("b", "a")),
    (arguments.names_of("a", "b"), [], ()),
    (arguments.path_of, Path("folder"), Path("folder")),
    (arguments.moment_of, "start", "start"),
    (arguments.moment_of, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
    (arguments.moment_of, "2026-01-01 00:00:00+00:00", datetime(2026, 1, 1, tzinfo=UTC)),
    (arguments.recipient_of, -10042, "-10042"),
]


@pytest.mark.parametrize(("judge_", "value", "used"), TAKEN)
def test_value_comes_back_in_the_form_that_is_used(judge_: arguments.Judge, value: Any, used: Any) -> None:
    """A rendered template is a text."""
    judged = judge_("name", value)
    assert judged == used
    assert type(judged) is type(used)


def refuses(judge_: Callable[[str, Any], Any], value: Any) -> bool:
    try:
        judge_("name", value)
    except ValueError as error:
        return str(error).startswith("name is ")
    return False


@pytest.mark.parametrize("value", [True, "1.5", 1.5, "x", None, float("inf"), float("nan"), [1], {}])
def test_what_is_no_whole_number_is_refused(value: Any) -> None:
    """A truth value is none, though Python takes it for 1."""
    assert refuses(arguments.count_of, value)
    assert refuses(arguments.integer_of, value)


@pytest.mark.parametrize("value", ["", "yes", 1, 0, None, "no"])
def test_what_is_no_truth_value_is_refused(value: Any) -> None:
    """A text that isn't empty would count as true."""
    assert refuses(arguments.boolean_of, value)
    assert refuses(arguments.plain_boolean_of, value)


def test_error_of_a_trigger_is_one_that_a_triggerer_survives() -> None:
    """And a ValueError, as that of every other argument."""
    with pytest.raises(TypeError, match=r"^name is 0; ") as raised:
        arguments.of_trigger(arguments.count_of)("name", 0)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("value", "judged"),
    [
        ("green_api_default", "green_api_default"),
        (["a", "b"], ("a", "b")),
        (("a",), ("a",)),
        ('["a", "b"]', ("a", "b")),
        (" ['a', 'b'] ", ("a", "b")),
    ],
)
def test_connections_are_one_id_or_a_list_also_as_text(value: Any, judged: Any) -> None:
    """A template renders a list to text, as JSON or as Python shows it."""
    assert arguments.connections_of("green_api_conn_id", value) == judged


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "at least one"),
        ("[]", "at least one"),
        (["a", "b", "a"], "'a' is there twice"),
        (["a", ""], r"green_api_conn_id\[1\]"),
        (["a", None], r"green_api_conn_id\[1\]"),
        ("['a', b]", "a list of the ids"),
        ("['a'", "a list of the ids"),
        ("[{[]: 1}]", "a list of the ids"),
        (None, "the id of a connection"),
        ({"a": "b"}, "the id of a connection"),
    ],
)
def test_wrong_connections_are_refused_in_words(value: Any, says: str) -> None:
    """Whatever is wrong with the list, the error says where."""
    with pytest.raises(ValueError, match=says):
        arguments.connections_of("green_api_conn_id", value)
