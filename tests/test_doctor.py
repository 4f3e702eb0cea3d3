"""The doctor: finds what keeps a queue from being read, and names the place to fix it."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_green_notify import doctor, looks
from airflow_green_notify.at_once import at_once
from airflow_green_notify.emulator import GreenApiEmulator
from airflow_green_notify.examination import Finding
from airflow_green_notify.hooks import GreenApiHook, send_queue
from airflow_green_notify.hooks import silence as silences
from airflow_green_notify.hooks.diagnosis import NOTIFICATION_SWITCHES

VARIABLE = "AIRFLOW_CONN_GREEN_API_DEFAULT"


@pytest.fixture(autouse=True)
def _process_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command changes it for its own process, which here goes on."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")


def examine(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command and return its exit code and what it printed."""
    with pytest.raises(SystemExit) as ended:
        doctor.main(arguments)
    return int(ended.value.code or 0), capsys.readouterr().out


def findings(text: str) -> dict[str, Any]:
    """Read the JSON, which Airflow 3.1 prints log lines in front of."""
    return json.loads(text[text.index("{\n") :])


def connection(gateway: GreenApiEmulator, **changes: Any) -> str:
    return json.dumps(json.loads(gateway.connection) | changes)


def test_doctor_of_a_healthy_instance_says_so_and_deletes_nothing(
    green_api_connection: GreenApiEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0, every check ok, and the queue as it was."""
    green_api_connection.push({"typeWebhook": "incomingCall", "timestamp": int(time.time()) - 3600})
    code, text = examine(capsys)
    assert code == 0
    assert "WRONG" not in text
    assert "about 1 waiting" in text
    assert "incomingCall has waited for 1.0 h" in text
    assert "no message waits to be sent" in text
    assert "switched on: all but outgoingWebhook, outgoingAPIMessageWebhook\n" in text
    assert text.endswith("Healthy.\n")
    assert len(green_api_connection.queue()) == 1


def old_queue(gateway: GreenApiEmulator) -> None:
    gateway.push({"typeWebhook": "incomingCall", "timestamp": int(time.time()) - 21 * 3600})


@pytest.mark.parametrize(
    ("spoil", "check", "words"),
    [
        (
            lambda gateway: gateway.settings(webhookUrl="https://example.org"),
            "settings",
            ["webhookUrl", "console"],
        ),
        (
            lambda gateway: gateway.settings(**dict.fromkeys(NOTIFICATION_SWITCHES, "no")),
            "settings",
            ["every notification type is switched off", "GreenApiConfigureInstanceOperator"],
        ),
        (lambda gateway: gateway.state("notAuthorized"), "state", ["authorize it in the console"]),
        (lambda gateway: gateway.state("expired"), "state", ["payment in the console"]),
        (old_queue, "oldest", ["21.0 h", "24 h", "GreenApiDrainNotificationsOperator"]),
        (
            lambda gateway: gateway.fault("429", method="receiveNotification", times=None),
            "oldest",
            ["too many requests", "what else uses this instance"],
        ),
    ],
    ids=["webhookUrl", "all off", "not authorized", "expired", "older than 20 h", "rate"],
)
def test_doctor_finds_what_is_wrong_with_the_instance(
    green_api_connection: GreenApiEmulator,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[GreenApiEmulator], None],
    check: str,
    words: list[str],
) -> None:
    """Exit code 1; the finding names the fault and where to fix it."""
    spoil(green_api_connection)
    code, text = examine(capsys, "green_api_default", "--json")
    finding = next(item for item in findings(text)["findings"] if item["check"] == check)
    assert (code, finding["ok"]) == (1, False)
    told = f"{finding['found']} {finding['remedy']}"
    assert [word for word in words if word not in told] == []


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A was refused: the token is wrong: compare.", ("A was refused: the token is wrong", "compare")),
        ("No answer (X: y). If it lasts, check: DNS.", ("No answer (X: y)", "If it lasts, check: DNS")),
        ("It is odd.", ("It is odd", "")),
    ],
)
def test_text_is_parted_into_what_happened_and_what_to_do(text: str, parts: tuple[str, str]) -> None:
    """Programs that read the JSON find the remedy where it belongs."""
    assert looks._parted(text) == parts


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "0" * 50}, ["token is wrong", "connection's password"]),
        ({"login": "1101999999"}, ["instance id or the host is wrong", "console"]),
        ({"login": "mine"}, ["idInstance, digits only"]),
        ({"host": "http://127.0.0.1:9"}, ["got no answer", "connection's host"]),
        ({"host": "{url}/elsewhere"}, ["no such method at this address", "connection's host"]),
        ({"host": "http://no-such-host.invalid"}, ["got no answer", "DNS"]),
        ({"extra": {"proxy": 123}}, ["proxy must be the address of an HTTP proxy"]),
        (
            {"host": "https://127.0.0.1:9", "extra": {"verify": __file__}},
            ["verify", "no certificates to trust"],
        ),
    ],
    ids=[
        "wrong token",
        "wrong instance",
        "odd instance",
        "unreachable",
        "wrong path",
        "wrong host",
        "wrong proxy",
        "wrong certificates",
    ],
)
def test_doctor_finds_what_is_wrong_with_the_connection(
    green_api_connection: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    words: list[str],
) -> None:
    """Exit code 1, the connection's field to fix is named, and looking further is left out."""
    changes = json.loads(json.dumps(changes).replace("{url}", green_api_connection.url))
    monkeypatch.setenv(VARIABLE, connection(green_api_connection, **changes))
    code, text = examine(capsys)
    assert code == 1
    assert text.count("WRONG") == 1
    assert [word for word in words if word not in text] == []
    assert green_api_connection.api_token not in text


RISKS = [
    ({"host": "http://gateway.example.org"}, ["http://", "unencrypted", "https://"]),
    ({"host": "https://gateway.example.org", "extra": {"verify": False}}, ["certificate", "verify"]),
    (
        {"host": "https://gateway.example.org", "extra": {"media_url": "http://media.example.org"}},
        ["unencrypted", "media_url"],
    ),
]


@pytest.mark.parametrize(("changes", "words"), RISKS, ids=["http", "verify", "media_url"])
def test_doctor_of_a_risky_way_to_the_gateway_warns(
    green_api_connection: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    words: list[str],
) -> None:
    """The queue can be read, so it is healthy; but whoever sits on the way can read along."""
    monkeypatch.setenv("ALL_PROXY", green_api_connection.url)
    monkeypatch.setenv(VARIABLE, connection(green_api_connection, **changes))
    found = doctor.examine().findings
    (risk,) = [finding for finding in found if finding.check == "way"]
    told = f"{risk.found} {risk.remedy}"
    assert (risk.ok, [word for word in words if word not in told]) == (None, [])


def test_doctor_that_warns_does_not_say_healthy_alone(
    green_api_connection: GreenApiEmulator,
    listen: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 0, since nothing is broken, and a last line that isn't taken for "all is well"."""
    settings = b'{"incomingWebhook":"yes"}'
    bodies = (b'{"stateInstance":"authorized"}', settings, b'{"count":0}', b"null", b"[]", b"[]")
    monkeypatch.setenv("http_proxy", listen(*map(listen.answer, bodies)).url)
    monkeypatch.setenv(VARIABLE, connection(green_api_connection, host="http://gateway.invalid"))
    code, text = examine(capsys)
    assert code == 0
    assert "warn  way:" in text
    assert text.endswith("Healthy, with warnings.\n")


# --- silence ---


def talk(gateway: GreenApiEmulator, *hours: float) -> None:
    """Messages that came in so many hours ago, by the gateway's clock."""
    gateway.switch(rate_limits=False)
    clock = max(hours) * 3600
    gateway.switch(clock_offset=-clock)
    for number, ago in enumerate(sorted(hours, reverse=True)):
        gateway.advance(clock - ago * 3600)
        clock = ago * 3600
        stamp = int(time.time() - ago * 3600)
        sender = {"chatId": "12025550101@c.us", "sender": "12025550101@c.us", "senderName": "Anna"}
        gateway.push(
            {
                "typeWebhook": "incomingMessageReceived",
                "timestamp": stamp,
                "idMessage": f"3EB0{number}",
                "senderData": sender,
                "messageData": {"typeMessage": "textMessage", "textMessageData": {"textMessage": "Hi"}},
            }
        )
    gateway.advance(clock)


EACH_HOUR = [float(hour) for hour in range(1, 31)]


def silence(silent_after: float | None = None) -> Finding:
    """The one finding, since each look at an instance takes a second of its own."""
    with GreenApiHook() as hook:
        return looks._judge_silence(silent_after, "silence", looks._silence(hook, silent_after, once=False))


@pytest.mark.parametrize(
    ("hours", "silent_after", "ok", "words"),
    [
        (EACH_HOUR, None, True, "no message has come in for 1.0 h; the longest time between two was 1.0 h"),
        ([hour + 3 for hour in EACH_HOUR], None, None, "no message has come in for 4.0 h"),
        ([hour + 3 for hour in EACH_HOUR] + [60], None, True, "the longest time between two was 27.0 h"),
        ([5.0, 6.0], None, True, "too few came before to tell"),
        ([], None, True, "no message has come in for 7.0 days; too few"),
        ([hour + 3 for hour in EACH_HOUR], 5 * 3600, True, "no message has come in for 4.0 h"),
        (EACH_HOUR, 1800, False, "silent_after is 30.0 min"),
        ([], 1800, False, "no message has come in for 7.0 days"),
        ([], 8 * 24 * 3600, False, "no message has come in for 8.0 days"),
        ([9 * 24.0], 10 * 24 * 3600, True, "no message has come in for 9.0 days"),
    ],
)
def test_silence_is_judged_by_what_is_usual_or_by_the_users_bound(
    green_api_connection: GreenApiEmulator, hours: list[float], silent_after: Any, ok: bool | None, words: str
) -> None:
    """Unusual is a warning, beyond the bound is wrong, and of few messages nobody can tell."""
    if hours:
        talk(green_api_connection, *hours)
    green_api_connection.switch(rate_limits=False)
    found = silence(silent_after)
    assert found.ok is ok
    assert words in found.found
    assert bool(found.remedy) is (ok is not True)


@pytest.mark.parametrize("timestamp", [10**400, float("inf"), float("nan"), True, -1e300, "soon", None])
def test_silence_of_messages_with_odd_timestamps_is_judged_by_the_others(timestamp: Any) -> None:
    """One odd entry neither stops the doctor nor hides a silence."""
    now = dt.datetime.now(dt.UTC)
    usual = [{"timestamp": now.timestamp() - 3600 * hour} for hour in range(5, 30)]
    found = silences.read_silence([*usual, {"timestamp": timestamp}], 10_000, now)
    assert found.lasts == pytest.approx(5 * 3600)
    assert found.is_unusual


def test_doctor_that_can_not_read_the_journal_warns_and_looks_on(
    green_api_connection: GreenApiEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal of a busy week may be too large: no reason to call an instance ill."""
    green_api_connection.fault("malformed", method="lastIncomingMessages", times=None)
    code, text = examine(capsys)
    assert code == 0
    assert "warn  silence:" in text
    assert "rates:" in text


def test_silence_is_not_looked_at_far_back_while_messages_come(
    green_api_connection: GreenApiEmulator,
) -> None:
    """A busy instance has a long journal: an hour of it is enough to see that it is not silent."""
    talk(green_api_connection, *EACH_HOUR, 0.5)
    assert silence().ok is True
    asked = [r for r in green_api_connection.requests() if r["method"] == "lastIncomingMessages"]
    assert len(asked) == 1


@pytest.mark.parametrize(("then", "ok"), [("authorized", True), ("yellowCard", False)])
def test_yellow_card_counts_if_it_is_there_twice(
    green_api_connection: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch, then: str, ok: bool
) -> None:
    """It is often shown where there is none: a second look some seconds later decides."""
    monkeypatch.setattr(looks, "SECOND_LOOK_AFTER", 0.1)
    card = '{"stateInstance": "yellowCard"}'
    green_api_connection.fault("status", method="getStateInstance", status=200, body=card)
    green_api_connection.state(then)
    green_api_connection.push({"typeWebhook": "stateInstanceChanged"})
    finding = next(finding for finding in doctor.examine().findings if finding.check == "state")
    assert finding.ok is ok


@pytest.mark.airflow
def test_doctor_as_a_task_fails_with_what_it_found_and_a_retry_looks_again(
    green_api_connection: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """The task's failure says what is wrong; a healthy instance is an XCom."""
    from airflow.sdk import DAG, task

    green_api_connection.push({"typeWebhook": "stateInstanceChanged"})
    with DAG("dag_of_the_doctor", schedule=None) as dag:
        task(task_id="well")(doctor.check_instance)()
        task(task_id="silent", retries=1, retry_delay=dt.timedelta(0))(doctor.check_instance)(
            silent_after=dt.timedelta(minutes=30)
        )
    run = run_dag(dag)
    well, silent = run.get_task_instance("well"), run.get_task_instance("silent")
    assert well.xcom_pull(task_ids="well")["healthy"] is True
    assert (silent.state, silent.try_number) == ("failed", 2)


def test_doctor_refuses_a_bound_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake in the command is a sentence, not a traceback."""
    with pytest.raises(SystemExit, match=r"silent_after is -1\.0; it must be"):
        doctor.main(["--silent-after", "-1"])


def test_doctor_without_the_connection_says_where_to_make_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A connection that doesn't exist is a finding, not a traceback."""
    code, text = examine(capsys, "no_such_connection")
    assert code == 1
    assert "no_such_connection" in text
    assert "Admin, Connections" in text


@pytest.fixture
def in_database(airflow_db: None, green_api_emulator: GreenApiEmulator) -> Iterator[str]:
    """A connection in Airflow's metadata database, as the form makes it."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    fields = json.loads(green_api_emulator.connection)
    extra = json.dumps(fields.pop("extra"))
    with create_session() as session:
        session.add(Connection(conn_id="in_database", extra=extra, **fields))
    yield "in_database"
    with create_session() as session:
        session.query(Connection).filter_by(conn_id="in_database").delete()


def run_command(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.airflow
def test_doctor_as_a_program_finds_connections_in_the_database(in_database: str) -> None:
    """``python -m`` works on every version."""
    ended = run_command(sys.executable, "-m", "airflow_green_notify.doctor", in_database, "--json")
    assert findings(ended.stdout)["healthy"] is True
    assert ended.returncode == 0


@pytest.mark.airflow
def test_doctor_as_an_airflow_command_exits_with_its_verdict(
    green_api_emulator: GreenApiEmulator, in_database: str
) -> None:
    """``airflow green-api doctor`` is registered from Airflow 3.2 on."""
    import airflow

    if airflow.__version__ < "3.2":
        pytest.skip("Airflow below 3.2 takes no commands from providers")
    green_api_emulator.state("blocked")
    program = os.path.join(os.path.dirname(sys.executable), "airflow")
    ended = run_command(program, "green-api", "doctor", in_database, "--json")
    assert findings(ended.stdout)["healthy"] is False
    assert ended.returncode == 1


@pytest.mark.parametrize(
    ("count", "send_delay", "ok", "words"),
    [
        (0, 0.0, True, ["no message waits to be sent"]),
        (20, 2.0, True, ["messages wait to be sent, and leave one by one"]),
        (2, 600.0, None, ["2 messages wait", "none left within", "delaySendMessages", "24 h"]),
    ],
    ids=["empty", "moving", "standing"],
)
@pytest.mark.slow
def test_doctor_tells_what_waits_to_be_sent_and_whether_it_moves(
    green_api_connection: GreenApiEmulator,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    send_delay: float,
    ok: bool | None,
    words: list[str],
) -> None:
    """The gateway doesn't say since when it waits; a queue that stands is a warning, and no more."""
    monkeypatch.setattr(send_queue, "WATCH", 3.0)
    green_api_connection.switch(send_delay=send_delay)
    with GreenApiHook() as hook:
        for _ in range(count):
            hook.send_message("12025550101@c.us", "text")
    examination = doctor.examine()
    finding = next(each for each in examination.findings if each.check == "to send")
    assert (finding.ok, examination.healthy) == (ok, True)
    assert [word for word in words if word not in f"{finding.found} {finding.remedy}"] == []


# --- several ---


@pytest.fixture
def fleet(green_api_emulator: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch) -> GreenApiEmulator:
    """A gateway whose instances are healthy, pushing to a webhookUrl, and refusing the connection's token."""
    pushing, refusing = green_api_emulator.add_instance(), green_api_emulator.add_instance()
    for instance in (green_api_emulator, pushing):  # an empty queue is waited for
        instance.push({"typeWebhook": "incomingCall", "timestamp": int(time.time()) - 3600})
    pushing.settings(webhookUrl="https://example.org")
    monkeypatch.setenv("AIRFLOW_CONN_WELL", connection(green_api_emulator))
    monkeypatch.setenv("AIRFLOW_CONN_PUSHING", connection(pushing))
    monkeypatch.setenv("AIRFLOW_CONN_REFUSING", connection(refusing, password="0" * 50))
    return green_api_emulator


FLEET = ("well", "pushing", "refusing", "missing")


def table(text: str) -> list[list[str]]:
    """The cells of the table; what stands between two of them is two spaces or more."""
    return [re.split("  +", line) for line in text.partition("\n\n")[0].splitlines()]


def test_doctor_of_several_prints_a_line_for_each_and_all_about_those_that_are_ill(
    fleet: GreenApiEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, whoever is ill is told in full with a remedy, and whoever is well in its line alone."""
    code, text = examine(capsys, *FLEET)
    assert code == 1
    assert table(text) == [
        ["connection", "instance", "verdict", "state", "waiting", "oldest", "wrong", "warnings"],
        ["well", "1101000001", "healthy", "authorized", "1", "1.0 h", "0", "0"],
        ["pushing", "1101000002", "not healthy", "authorized", "1", "-", "2", "0"],
        ["refusing", "1101000003", "not healthy", "-", "-", "-", "1", "0"],
        ["missing", "-", "not healthy", "-", "-", "-", "1", "0"],
    ]
    _, *told, verdict = text.split("\n\n")
    assert [each.split(",")[0] for each in told] == [
        "Connection pushing",
        "Connection refusing",
        "Connection missing",
    ]
    words = ["clear webhookUrl", "token is wrong", "Admin, Connections"]
    assert [word for word, each in zip(words, told, strict=True) if word not in each] == []
    assert verdict == "1 of 4 healthy; not healthy: pushing, refusing, missing.\n"
    assert [token for token in (fleet.api_token, "0" * 50) if token in text] == []


def test_doctor_of_several_that_are_healthy_exits_with_0(
    fleet: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table and the verdict are all there is to say."""
    other = fleet.add_instance()
    other.push({"typeWebhook": "incomingCall", "timestamp": int(time.time())})
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(other))
    code, text = examine(capsys, "well", "other")
    assert code == 0
    assert [row[2] for row in table(text)] == ["verdict", "healthy", "healthy"]
    assert text.split("\n\n")[1:] == ["2 of 2 healthy.\n"]


def test_doctor_of_several_prints_as_json_a_list_of_what_it_prints_of_one(
    fleet: GreenApiEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads each item as it reads the examination of one."""
    code, text = examine(capsys, "refusing", "missing", "--json")
    several = json.loads(text[text.index("[\n") :])
    alone = [findings(examine(capsys, name, "--json")[1]) for name in ("refusing", "missing")]
    assert (code, several) == (1, alone)
    assert list(alone[0]) == ["healthy", "connection", "instance", "host", "findings"]
    assert list(alone[0]["findings"][0]) == ["check", "ok", "found", "remedy"]


def test_connections_of_the_same_instance_are_warned_of_each_other(
    fleet: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each reads what the other should have; since both work, that is a warning."""
    monkeypatch.setenv("AIRFLOW_CONN_AGAIN", connection(fleet, host=f"{fleet.url}/v3"))
    code, text = examine(capsys, "well", "missing", "again")
    found = {each.connection: each for each in doctor.examine_all(["well", "missing", "again"])}
    warned = {name: [each for each in found[name].findings if each.check == "shared"] for name in found}
    assert [finding.ok for finding in warned["well"] + warned["again"]] == [None, None]
    assert "the same instance as again: " in warned["well"][0].found
    assert "the same instance as well: " in warned["again"][0].found
    assert warned["missing"] == []
    assert [row[2] for row in table(text)[1:]] == [
        "healthy, with warnings",
        "not healthy",
        "healthy, with warnings",
    ]
    assert code == 1


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["well", "other", "well"], "names each connection once; 'well' is there twice"),
        (["well", ""], "conn_id[1] is ''; it must be the id of a connection"),
        ([""], "conn_id[0] is ''; it must be the id of a connection"),
    ],
)
def test_doctor_refuses_a_list_of_connections_that_can_not_be_meant(names: list[str], words: str) -> None:
    """A slip in the command is a sentence, before anything is looked at."""
    with pytest.raises(SystemExit, match=re.escape(words)):
        doctor.main(names)


@pytest.mark.parametrize("names", [[], ["well", "well"]])
def test_no_list_or_a_wrong_one_is_not_examined(names: list[str]) -> None:
    """An empty list examined is no proof that all is well."""
    with pytest.raises(ValueError, match="green_api_conn_ids is"):
        doctor.examine_all(names)


def test_table_of_names_that_steer_terminals_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    """A list may come from an XCom: whoever wrote it forges no line and turns no word around."""
    code, text = examine(capsys, "a\nwell  healthy", "\x1b[2J\u202eb")
    assert code == 1
    assert all(line.isprintable() for line in text.splitlines())
    head, first, second = text.splitlines()[:3]
    assert first.index("not healthy") == second.index("not healthy") == head.index("verdict")


def test_examinations_of_many_go_on_side_by_side(
    fleet: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each looks at its state before any has an answer: an instance that is slow holds up nobody else."""
    arrived = threading.Barrier(3)
    look = looks._state

    def look_when_all_are_here(hook: GreenApiHook, once: bool) -> str:
        arrived.wait(20)
        return look(hook, once)

    monkeypatch.setattr(looks, "_state", look_when_all_are_here)
    found = doctor.examine_all(["well", "pushing", "refusing"])
    assert [each.brief("state") for each in found] == ["authorized", "authorized", ""]


def test_examination_that_breaks_is_not_taken_for_a_healthy_one(
    fleet: GreenApiEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is raised, as for one instance."""
    monkeypatch.setattr(looks, "_judge_state", lambda check, state: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        doctor.examine_all(["well", "pushing"])


def test_work_for_many_is_done_by_no_more_threads_than_allowed() -> None:
    """Every item is worked on, its result stands in its place, and two threads are two."""
    names: set[str] = set()
    both = threading.Barrier(2)

    def work(number: int) -> int:
        names.add(str(threading.get_ident()))
        both.wait(20)
        return number * 2

    assert at_once(work, range(10), 2) == [number * 2 for number in range(10)]
    assert len(names) == 2
    assert at_once(work, [], 2) == []


@pytest.mark.airflow
def test_doctor_of_several_as_a_task_names_each_that_is_ill_with_its_remedy(
    fleet: GreenApiEmulator, run_dag: Callable[..., Any]
) -> None:
    """The failure is read in a task's log: who, why and what to do; if all are well, an XCom has all."""
    from airflow.sdk import DAG, task

    told: list[str] = []

    def note(context: Any) -> None:
        told.append(str(context["exception"]))

    with DAG("dag_of_a_fleets_doctor", schedule=None) as dag:
        task(task_id="well")(doctor.check_instance)("{{ ['well'] }}")
        task(task_id="ill", on_failure_callback=note)(doctor.check_instance)(list(FLEET))
    run = run_dag(dag)
    (well,) = run.get_task_instance("well").xcom_pull(task_ids="well")
    assert (well["connection"], well["healthy"]) == ("well", True)
    assert run.get_task_instance("ill").state == "failed"
    head, *lines = told[0].splitlines()
    assert head == "3 of 4 instances are not healthy:"
    assert [line.split(" ")[0] for line in lines] == ["pushing", "refusing", "missing"]
    words = ["to do: clear webhookUrl", "to do: compare", "to do: fix it under Admin, Connections"]
    assert [word for word, line in zip(words, lines, strict=True) if word not in line] == []
    assert "1101000002" in lines[0]
