"""A task that replays dead letters is killed at each step, and at random: nothing is lost.

12 random rounds here; ``GREEN_API_ROUNDS=300 pytest -m crash tests/crash/test_replay_killed.py`` is the long
form.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_green_notify.consume.dead_letters import read_dead_letters, replay_dead_letters
from airflow_green_notify.emulator import GreenApiEmulator, traffic
from airflow_green_notify.stores.dead_letter import DeadLetter
from tests.balance import key_of
from tests.crash.processes import Zygote
from tests.crash.runs import Runs
from tests.crash.task_run import SPAN, store_of
from tests.stores.sql.test_work import message
from tests.stores.test_stream import put

pytestmark = pytest.mark.crash

ROUNDS = int(os.environ.get("GREEN_API_ROUNDS", "12"))

STEPS = {"begin_attempt": 1, "handler": 3, "put": 1, "finish": 3, "remove": 2, "close": 1}
"""How often each is done, as far as it makes a difference: the second notification fails twice."""

STEPS_OF_FILES = STEPS | {"_create": 1, "unmark": 1}
DEATHS = [
    (store, (step, when, times))
    for store, steps in (("sqlite", STEPS), ("files", STEPS_OF_FILES))
    for step, often in steps.items()
    for when in ("before", "after")
    for times in range(1, often + 1)
]


class Replaying:
    """Runs of one task, and what became of the notifications that it gave up."""

    def __init__(
        self,
        zygote: Zygote,
        runs: Runs,
        store: dict[str, Any],
        gateway: GreenApiEmulator,
        environment: dict[str, str],
        kind: str = "process",
    ) -> None:
        self.environment = environment
        self.store = store_of(store)
        self._zygote = zygote
        self._runs = runs
        self._gateway = gateway
        self._kind = kind

    def give_up(self, count: int, seed: int = 1) -> list[str]:
        """Let so many notifications become dead letters, and return their keys in order."""
        if self._kind == "process_stored":
            notifications = [*map(message, range(count))]
            put(self.store, *notifications)
            keys = [each.key for each in notifications]
        else:
            self._gateway.push(*traffic(seed=seed, n=count))
            keys = [key_of(body) for body in self._gateway.queue()]
        assert self.run(poison=keys) == 0
        return keys

    def run_beside(self, other: Zygote, frozen: float, **options: Any) -> None:
        """Run the task on two queues at once, and freeze one of them for so many seconds in the middle."""
        options |= {"max_attempts": 2, "handler_seconds": 0.05}
        one = self._runs.job("process", connections="green_api_default", **options)
        two = self._runs.job("process", connections="other", **options)
        pid = self._zygote.start(one)
        other.start(two)
        time.sleep(1.5)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(frozen)
            os.kill(pid, signal.SIGCONT)
        for zygote, job in ((self._zygote, one), (other, two)):
            code = zygote.end()
            assert code == 0
            self._runs.ended(job, code)

    def run(self, retry_of: dict[str, Any] | None = None, after: float | None = None, **options: Any) -> int:
        """Run the task in a process, kill it after so many seconds, and return the exit code."""
        job = self._runs.job(self._kind, retry_of, **{"max_attempts": 2, "handler_seconds": 0.0} | options)
        pid = self._zygote.start(job)
        if after is not None:
            time.sleep(after)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        code = self._zygote.end()
        self._runs.ended(job, code)
        return code

    def dead(self, kills: int = 0) -> dict[str, DeadLetter]:
        """The dead letters by the keys of their notifications, each of which has but one.

        Each kill may leave one that was replayed beside the one that it has become, until a run goes on.
        """
        found = sorted(read_dead_letters(self.store), key=lambda letter: int(letter.note["replays"]))
        dead = {letter.notification.key: letter for letter in found}
        assert len(found) - len(dead) <= kills
        return dead

    def calls(self) -> Counter[str]:
        """How often the handler has returned with each notification."""
        log = self._runs.folder / "handled.jsonl"
        events = [json.loads(line) for line in log.read_text().splitlines()]
        return Counter(event["key"] for event in events if event["event"] == "end")


@pytest.fixture
def replaying(
    request: pytest.FixtureRequest,
    zygote: Zygote,
    store: dict[str, Any],
    tmp_path: Path,
    green_api_connection: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> Replaying:
    environment = {name: os.environ[name] for name in os.environ if name.startswith("AIRFLOW_CONN_")}
    environment |= store["environment"]
    for name, value in store["environment"].items():
        monkeypatch.setenv(name, value)
    runs = Runs(tmp_path, store, environment, "1")
    kind = getattr(request, "param", "process")
    return Replaying(zygote, runs, store, green_api_connection, environment, kind)


@pytest.mark.parametrize(
    ("store", "death"),
    DEATHS,
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value)),
    indirect=["store"],
)
def test_replay_killed_at_a_step_is_gone_on_with(death: tuple[str, str, int], replaying: Replaying) -> None:
    """Each is handled, and twice only if the process died between its handler and the note of it."""
    first, poison, last = replaying.give_up(3)
    replay_dead_letters(replaying.store, everything=True)
    step, when, times = death
    dies = {"step": step, "when": when, "times": times}
    assert replaying.run(poison=[poison], dies=dies) == -signal.SIGKILL
    assert replaying.run(poison=[poison]) == 0
    dead = replaying.dead()
    assert list(dead) == [poison]
    note = dead[poison].note
    assert note["replays"] == 1
    assert 3 <= note["attempts"] <= 4
    twice = {
        ("handler", "after", 1): first,
        ("finish", "before", 1): first,
        ("finish", "before", 3): last,
        ("hold", "before", 1): first,
        ("hold", "after", 1): first,
    }
    assert replaying.calls() == Counter([first, last]) + Counter(filter(None, [twice.get(death)]))
    assert replaying.run() == 0
    assert replaying.dead() == dead


STEPS_BESIDE_ROWS = (*STEPS, "claim_for", "hold", "give_back")
DEATHS_BESIDE_ROWS = [(step, when, 1) for step in STEPS_BESIDE_ROWS for when in ("before", "after")]


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("replaying", ["process_stored"], indirect=True)
@pytest.mark.parametrize("death", DEATHS_BESIDE_ROWS, ids=lambda death: "-".join(map(str, death)))
def test_replay_beside_rows_killed_at_a_step_is_gone_on_with(
    death: tuple[str, str, int], replaying: Replaying
) -> None:
    """Each is handled, and twice only if the process died between its handler and the note of it."""
    test_replay_killed_at_a_step_is_gone_on_with(death, replaying)


@pytest.mark.parametrize("store", ["sqlite", "files"], indirect=True)
@pytest.mark.parametrize("frozen", [0.0, 2 * SPAN], ids=["awake", "frozen"])
def test_two_runs_at_once_replay_each_once(
    frozen: float,
    replaying: Replaying,
    green_api_connection: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has no lease leaves it to the other; of one that is frozen, what it was at may come again."""
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", green_api_connection.add_instance().connection)
    replaying.environment["AIRFLOW_CONN_OTHER"] = os.environ["AIRFLOW_CONN_OTHER"]
    keys = replaying.give_up(25)
    replay_dead_letters(replaying.store, everything=True)
    with closing(Zygote()) as other:
        replaying.run_beside(other, frozen)
    calls = replaying.calls()
    assert {*calls} == {*keys}
    assert calls.total() - len(calls) <= (frozen > 0)
    assert replaying.dead() == {}


def test_replays_killed_at_random_lose_nothing(replaying: Replaying) -> None:
    """Over many kills each is handled or is a dead letter again, and few are handled twice."""
    seed = os.environ.get("GREEN_API_SEED", str(time.time_ns()))
    print(f"GREEN_API_SEED={seed}")
    chance = random.Random(seed)
    keys = replaying.give_up(40)
    poison = chance.sample(keys, 8)
    kills = 0
    for _ in range(ROUNDS):
        replay_dead_letters(replaying.store, everything=True)
        code = replaying.run(poison=poison, after=chance.uniform(0.1, 3.0), handler_seconds=0.02)
        kills += code == -signal.SIGKILL
        calls, dead = replaying.calls(), replaying.dead(kills)
        assert {*calls} | {*dead} == {*keys}
        assert {*poison} <= {*dead}
        if len(dead) == len(poison):
            break
    for _ in range(5):  # a run replays for a minute at most, and leaves the rest to the next one
        replay_dead_letters(replaying.store, everything=True)
        assert replaying.run(poison=poison) == 0
        calls, dead = replaying.calls(), replaying.dead()
        if len(dead) == len(poison):
            break
    print(f"{kills} kills, {calls.total() - len(calls)} handled again")
    assert {*dead} == {*poison}
    assert {*calls} == {*keys} - {*poison}
    assert calls.total() - len(calls) <= kills
