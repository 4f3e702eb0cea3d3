"""Example notifications and made-up traffic."""

from __future__ import annotations

import json
import time
from collections import Counter
from itertools import islice
from typing import Any

import pytest

from airflow_green_notify.emulator import example_notifications, traffic


def test_examples_are_eighty_envelopes() -> None:
    """Each example is an envelope as the gateway answers it, numbered by its line."""
    examples = example_notifications()
    assert [example["receiptId"] for example in examples] == list(range(1, 81))
    assert all(example["body"]["typeWebhook"] for example in examples)


def test_examples_are_fresh_on_every_call() -> None:
    """A test that changes one doesn't change it for the next."""
    example_notifications()[0]["body"].clear()
    assert example_notifications()[0]["body"]


def test_traffic_is_repeatable_and_each_body_unique() -> None:
    """The same seed gives the same bodies; no two share an id."""
    bodies = list(traffic(7, 1000, start=1_700_000_000))
    assert bodies == list(traffic(7, 1000, start=1_700_000_000))
    assert bodies != list(traffic(8, 1000, start=1_700_000_000))
    assert len({body["idMessage"] for body in bodies}) == 1000


def test_traffic_is_a_mix_of_kinds() -> None:
    """Messages, media, statuses and calls all occur."""
    bodies = list(traffic(1, 1000))
    kinds = Counter(body["typeWebhook"] for body in bodies)
    assert kinds.keys() == {"incomingMessageReceived", "outgoingMessageStatus", "incomingCall"}
    assert {"textMessage", "imageMessage", "documentMessage", "audioMessage"} == {
        body["messageData"]["typeMessage"] for body in bodies if "messageData" in body
    }


def test_traffic_timestamps_rise_and_end_now() -> None:
    """Timestamps never fall, span some time, and none lies in the future."""
    stamps = [body["timestamp"] for body in traffic(1, 500)]
    assert stamps == sorted(stamps)
    assert stamps[0] < stamps[-1] <= time.time()


def test_traffic_without_a_number_is_endless_and_of_now() -> None:
    """Endless traffic is stamped when it is taken."""
    before = int(time.time())
    bodies = list(islice(traffic(1), 100))
    assert len(bodies) == 100
    assert all(before <= body["timestamp"] <= time.time() for body in bodies)


def test_examples_can_have_happened_just_now() -> None:
    """A queue by hand begins healthy: nothing in it is about to expire, and order and gaps stay."""
    old, recent = example_notifications(), example_notifications(recent=True)
    times = [[n["body"]["timestamp"] for n in each if "timestamp" in n["body"]] for each in (old, recent)]
    shifts = {after - before for before, after in zip(*times, strict=True)}
    assert len(shifts) == 1
    assert 0 <= time.time() - max(times[1]) < 60
    assert old == example_notifications()


@pytest.mark.parametrize("type_instance", ["telegram", "v3"])
def test_traffic_speaks_the_language_of_the_product(emulate: Any, type_instance: str) -> None:
    """On Telegram and MAX ids are numbers, nothing is only sent, and nobody calls."""
    client = emulate(type_instance=type_instance)
    client.gateway.push_traffic(1, 500)
    bodies = client.gateway.queue()
    assert "@c.us" not in json.dumps([{**body, "instanceData": {}} for body in bodies])
    assert {body["instanceData"]["typeInstance"] for body in bodies} == {type_instance}
    assert {body["typeWebhook"] for body in bodies} == {"incomingMessageReceived", "outgoingMessageStatus"}
    assert "sent" not in {body.get("status") for body in bodies}
    assert all(body["senderData"]["chatType"] == "user" for body in bodies if "senderData" in body)
    assert len({body["idMessage"] for body in bodies}) == 500


@pytest.mark.parametrize("type_instance", ["telegram", "v3"])
def test_file_speaks_the_language_of_the_product(emulate: Any, type_instance: str) -> None:
    """The notification of a file names the chat by its number."""
    body = emulate(type_instance=type_instance).gateway.media_message("a.jpg", 10)
    assert body["senderData"]["chatId"] == "12025550101"
