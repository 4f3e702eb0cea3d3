"""What the verdict on a run sees, tried on a run in which one thing is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_green_notify.emulator import traffic
from airflow_green_notify.notification import Notification
from tests.production.report import Outcome, as_markdown
from tests.production.traffic import Taken
from tests.production.verdict import AuditedInstance, Evidence

PUSHED = [Notification(0, body) for body in traffic(n=5, start=1_790_000_000)]
KEYS = [each.key for each in PUSHED]
TAKEN = Taken(KEYS[4], confirmed=True, began=13.9, ended=14.1)


def _audited(number: int) -> dict[str, Any]:
    return {"body": PUSHED[number].body, "pushed_at": 10.0 + number, "deleted_at": 14.0 + number}


@pytest.fixture
def evidence() -> Evidence:
    """Five were pushed; four are stored, handed on and handled, the last was taken by the other consumer."""
    noted = [(key, 20.0) for key in KEYS[:4]]
    return Evidence(
        instances=[AuditedInstance("1", [_audited(number) for number in range(5)], [])],
        pushed=list(KEYS),
        rows=[Notification(0, copy.deepcopy(each.body), key=each.key) for each in PUSHED[:4]],
        arrivals=[(key, 12.0 + number) for number, key in enumerate(KEYS[:4])],
        noted={"handed_on": list(noted), "read_in_pages": list(noted), "handled": list(noted)},
        taken=[TAKEN],
        answers={"run": ("question", "question")},
    )


def _lose_row(evidence: Evidence) -> Evidence:
    return replace(evidence, rows=evidence.rows[1:])


def _not_taken(evidence: Evidence) -> Evidence:
    return replace(evidence, taken=[])


def _taken_in_doubt_but_deleted_later(evidence: Evidence) -> Evidence:
    return replace(evidence, taken=[replace(TAKEN, confirmed=False)])


def _double_row(evidence: Evidence) -> Evidence:
    return replace(evidence, rows=[*evidence.rows, evidence.rows[0]])


def _insert_again(evidence: Evidence) -> Evidence:
    return replace(evidence, arrivals=[*evidence.arrivals, evidence.arrivals[0]])


def _alter_body(evidence: Evidence) -> Evidence:
    evidence.rows[0].body["idMessage"] = "another"
    return evidence


def _invent_row(evidence: Evidence) -> Evidence:
    return replace(evidence, rows=[*evidence.rows, Notification(0, {"idMessage": "invented"})])


def _delete_early(evidence: Evidence) -> Evidence:
    evidence.instances[0].audited[0]["deleted_at"] = 11.9
    return evidence


def _leave_in_queue(evidence: Evidence) -> Evidence:
    evidence.instances[0].waiting.append(PUSHED[0].body)
    return evidence


def _forget_push(evidence: Evidence) -> Evidence:
    del evidence.instances[0].audited[0]
    return evidence


def _without(name: str) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(evidence, noted={**evidence.noted, name: evidence.noted[name][1:]})


def _answer_another(evidence: Evidence) -> Evidence:
    return replace(evidence, answers={"run": ("question", "another")})


def test_verdict_on_a_run_in_which_all_is_well_is_clean(evidence: Evidence) -> None:
    """What the other consumer took is missed by nobody."""
    assert evidence.verdict().is_clean(), evidence.verdict()
    in_doubt = Taken(KEYS[4], confirmed=False, began=17.9, ended=18.1)
    assert replace(evidence, taken=[in_doubt]).verdict().is_clean(), "the audit has the delete at that time"


@pytest.mark.parametrize(
    ("wrong", "name", "key"),
    [
        (_lose_row, "lost", KEYS[0]),
        (_not_taken, "lost", KEYS[4]),
        (_taken_in_doubt_but_deleted_later, "lost", KEYS[4]),
        (_double_row, "doubled", KEYS[0]),
        (_insert_again, "doubled", KEYS[0]),
        (_alter_body, "changed", KEYS[0]),
        (_invent_row, "changed", Notification(0, {"idMessage": "invented"}).key),
        (_delete_early, "early", KEYS[0]),
        (_leave_in_queue, "waiting", KEYS[0]),
        (_forget_push, "forgotten_by_gateway", KEYS[0]),
        (_without("handed_on"), "not_handed_on", KEYS[0]),
        (_without("read_in_pages"), "not_read", KEYS[0]),
        (_without("handled"), "not_handled", KEYS[0]),
        (_answer_another, "unanswered", "run"),
    ],
)
def test_verdict_names_what_is_wrong(
    evidence: Evidence, wrong: Callable[[Evidence], Evidence], name: str, key: str
) -> None:
    """No check is one that can't fail: each is seen to."""
    verdict = wrong(evidence).verdict()
    assert key in getattr(verdict, name)
    assert not verdict.is_clean()


def test_outcome_is_not_clean_if_the_last_row_came_late(evidence: Evidence) -> None:
    """What is stored in the end, but only after minutes, was stranded."""
    outcome = Outcome(10.0, 14.5, 120.0, [], evidence, {})
    assert outcome.is_clean()
    late = replace(evidence, arrivals=[*evidence.arrivals[:3], (KEYS[3], 134.6)])
    assert not replace(outcome, evidence=late).is_clean()


def test_report_has_a_row_for_each_thing_that_could_be_wrong(evidence: Evidence) -> None:
    """Whoever reads it sees that it was looked at."""
    report = as_markdown(Outcome(10.0, 14.5, 120.0, [], evidence, {}), 1)
    names = [name.replace("_", " ") for name in evidence.verdict().counts()]
    assert [name for name in names if f"| {name} | **0** |" not in report] == []
