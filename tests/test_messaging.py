"""The scheme of common.messaging."""

from __future__ import annotations

import pytest

from airflow_green_notify.triggers import GreenApiDoorbellTrigger

msg_queue = pytest.importorskip(
    "airflow.providers.common.messaging.triggers.msg_queue", reason="common.messaging is optional"
)


def test_message_queue_trigger_with_our_scheme_is_stored_as_doorbell() -> None:
    """What Airflow keeps and runs is the doorbell with the arguments given."""
    trigger = msg_queue.MessageQueueTrigger(
        scheme="green-api", green_api_conn_id="other", ring_again_after=30.0
    )
    doorbell = GreenApiDoorbellTrigger("other", ring_again_after=30.0)
    assert trigger.serialize() == doorbell.serialize()


def test_message_queue_trigger_with_several_connections_is_one_doorbell() -> None:
    """A list is the list of the doorbell, in what Airflow keeps and in what it runs."""
    options = {"green_api_conn_id": ["one", "two"], "min_waiting": 20, "max_wait": 30.0}
    trigger = msg_queue.MessageQueueTrigger(scheme="green-api", **options)
    assert trigger.serialize() == GreenApiDoorbellTrigger(**options).serialize()
    assert trigger.serialize()[1]["green_api_conn_id"] == ["one", "two"]


@pytest.mark.filterwarnings("ignore:The `queue` parameter is deprecated")
def test_message_queue_trigger_with_a_queue_uri_names_the_connection() -> None:
    """The older form leads to the same doorbell."""
    trigger = msg_queue.MessageQueueTrigger(queue="green-api://other")
    assert trigger.serialize() == GreenApiDoorbellTrigger("other").serialize()
