"""What the note of a dead letter keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk.log import mask_secret

from airflow_green_notify.notification import Notification
from airflow_green_notify.stores.dead_letter import Failure, as_received, dead_letter, is_dead_letter, note_of

START = datetime(2026, 11, 1, tzinfo=UTC)
NOTIFICATION = Notification(1, {"number": 1})


def failure(attempt: int, error: BaseException | None = None, minutes: int = 0) -> Failure:
    found = Failure.of(error, attempt)
    return Failure(
        attempt, found.reason, found.error_type, found.error_text, START + timedelta(minutes=minutes)
    )


def test_note_tells_first_and_last_failure() -> None:
    """Reason, attempts, both errors and both times; and to which attempt the first known error belongs."""
    first, last = failure(2, KeyError("name")), failure(3, ValueError("no number"), minutes=5)
    assert note_of(first, last, task="dag/process") == {
        "reason": "max_attempts",
        "attempts": 3,
        "error_type": "ValueError",
        "error_text": "no number",
        "failed_at": "2026-11-01T00:05:00+00:00",
        "first_error_type": "KeyError",
        "first_error_text": "'name'",
        "first_error_attempt": 2,
        "first_failed_at": "2026-11-01T00:00:00+00:00",
        "replays": 0,
        "task": "dag/process",
    }


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("name"), "max_attempts"),
        (AirflowFailException("never"), "failed_for_good"),
        (None, "process_died"),
    ],
)
def test_reason_is_that_of_the_last_failure(error: BaseException | None, reason: str) -> None:
    """Whatever failed before."""
    last = failure(3, error)
    assert note_of(failure(1, ValueError()), last, task="")["reason"] == reason


def test_note_of_a_replay_keeps_the_history() -> None:
    """Attempts add up and the first error stays; the last one is the replay's."""
    once = failure(3, KeyError("name"))
    former = note_of(once, once, task="dag/process") | {"key": NOTIFICATION.key}
    again = failure(2, ValueError("no number"), minutes=60)
    note = note_of(again, again, task="dag/process", former=former)
    assert (note["attempts"], note["replays"]) == (5, 1)
    assert (note["first_error_type"], note["first_failed_at"]) == ("KeyError", START.isoformat())
    assert (note["error_type"], note["failed_at"]) == ("ValueError", "2026-11-01T01:00:00+00:00")


class Hostile(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text for you")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("two\nlines \x1b[31m"), "two\\nlines \\x1b[31m"),
        (ValueError("x" * 10_000_000), "x" * 499 + "…"),
        (Hostile(), "It has no text."),
    ],
)
def test_error_text_is_one_short_line(error: Exception, text: str) -> None:
    """Whatever it holds; an error without a text is no second error."""
    assert Failure.of(error, 1).error_text == text


def test_error_text_shows_no_secret() -> None:
    """What Airflow masks in logs is masked here, too."""
    mask_secret("d75b3a66374942c5b3c0")
    assert Failure.of(ValueError("https://host/d75b3a66374942c5b3c0/x"), 1).error_text == "https://host/***/x"


@pytest.mark.parametrize("changes", [{"task": "dag/other"}, {"replays": 1}, {"key": "0" * 32}])
def test_dead_letters_of_one_notification_are_told_apart(changes: dict[str, Any]) -> None:
    """Another task's is another one, and so is that of a replay; the same again is the same."""
    note = {"task": "dag/process", "replays": 0}
    letter, noted = dead_letter(NOTIFICATION, note)
    assert dead_letter(NOTIFICATION, note)[0].key == letter.key
    assert letter.key != NOTIFICATION.key
    assert is_dead_letter(letter, noted)
    assert not is_dead_letter(letter, noted | changes)
    assert as_received(letter, noted).key == NOTIFICATION.key
