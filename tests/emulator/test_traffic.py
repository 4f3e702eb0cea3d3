"""Example notifications and made-up traffic."""

from __future__ import annotations

import json
import time
from collections import Counter
from itertools import islice

import pytest

from airflow_green_notify.emulator import GreenApiEmulator, example_notifications, traffic


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
def test_traffic_of_another_product_speaks_its_language(type_instance: str) -> None:
    """Numbers instead of phones, no ``sent``, no calls, and its own fields of the sender."""
    bodies = list(traffic(1, 1000, type_instance=type_instance))
    kinds = Counter(body["typeWebhook"] for body in bodies)
    assert kinds.keys() == {"incomingMessageReceived", "outgoingMessageStatus"}
    assert {body["instanceData"]["typeInstance"] for body in bodies} == {type_instance}
    assert {body["status"] for body in bodies if "status" in body} == {"delivered", "read", "failed"}
    assert all(body["idMessage"].isdecimal() for body in bodies)
    assert len({body["idMessage"] for body in bodies}) == 1000
    senders = [body["senderData"] for body in bodies if "senderData" in body]
    assert all(sender["chatId"].isdecimal() and sender["chatType"] == "user" for sender in senders)
    assert not any("@c.us" in json.dumps(sender) for sender in senders)


@pytest.mark.parametrize("type_instance", ["telegram", "v3"])
def test_instance_of_another_product_is_filled_in_its_language(type_instance: str) -> None:
    """By traffic, by a message with a file, in a group as well."""
    with GreenApiEmulator(type_instance=type_instance) as gateway:
        gateway.push_traffic(1, 20)
        gateway.media_message("a.pdf", 10)
        gateway.media_message("b.pdf", 10, chat_id="-1001234567890")
        for body in gateway.queue():
            body["instanceData"].pop("wid")
            assert body["instanceData"]["typeInstance"] == type_instance
            assert "@c.us" not in json.dumps(body)
