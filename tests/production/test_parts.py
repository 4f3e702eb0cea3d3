"""Parts can be killed, frozen and started again, and nothing of them is left."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.live.running_airflow import until
from tests.production.parts import Part, Parts, lives
from tests.production.plan import DEEDS, WEIGHTS, plan, role_of
from tests.production.ports import ports

ROOT = Path(__file__).parents[2]
PARENT = "import subprocess, time; [subprocess.Popen(['sleep', '600']) for _ in range(2)]; time.sleep(600)"


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A part with two children."""
    with Parts({"PYTHONPATH": str(ROOT)}, tmp_path) as parts:
        parts.add("part", Part([sys.executable, "-c", PARENT]))
        until(lambda: len(parts.pids("part")) == 3, 30, "part with two children")
        yield parts


def test_part_that_is_killed_is_gone_with_all_its_children(parts: Parts) -> None:
    """Also children whose parent was killed before."""
    killed = parts.kill("part", "main")
    children = parts.pids("part")
    assert len(killed) == 1
    assert len(children) == 2
    parts.kill("part")
    assert not any(map(lives, children))


def test_part_whose_child_is_killed_goes_on(parts: Parts) -> None:
    """One child is gone, its first process and the other child live."""
    main, first, second = parts.pids("part")
    assert parts.kill("part", "child", 3) == [second]
    until(lambda: parts.pids("part") == [main, first], 10, "two processes")
    assert parts.revive() == []


def test_part_that_is_frozen_stands_still_until_it_is_resumed(parts: Parts) -> None:
    """All its processes do."""
    frozen = parts.freeze("part")
    until(lambda: _states(frozen) == {psutil.STATUS_STOPPED}, 10, "frozen part")
    parts.resume(frozen)
    until(lambda: psutil.STATUS_STOPPED not in _states(frozen), 10, "part that goes on")


def _states(pids: list[int]) -> set[str]:
    return {psutil.Process(pid).status() for pid in pids}


def test_part_that_ended_by_itself_is_started_again_and_counted(parts: Parts) -> None:
    """What was stopped on purpose stays down."""
    main = parts.pids("part")[0]
    psutil.Process(main).kill()
    until(lambda: parts.revive() == ["part"], 10, "revived part")
    assert parts.ended_by_themselves == {"part": 1}
    parts.stop("part")
    assert parts.revive() == []
    assert parts.pids("part") == []


def test_parts_are_gone_after_whoever_started_them_was_killed(tmp_path: Path) -> None:
    """A guard ends them."""
    program = (
        "import sys, time; from pathlib import Path; from tests.production.parts import Part, Parts\n"
        f"with Parts({{'PYTHONPATH': {str(ROOT)!r}}}, Path({str(tmp_path)!r})) as parts:\n"
        "    parts.add('part', Part(['sleep', '600']))\n"
        "    print(parts.pids('part')[0], flush=True)\n"
        "    time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not lives(pid), 30, "end of the part")
    process.stdout.close()


def test_ports_are_none_that_the_system_gives_to_clients() -> None:
    """While a server is away, nobody else gets its port."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found = [port for port, _ in zip(ports(), range(20), strict=False)]
    assert len(set(found)) == 20
    assert max(found) < lowest


def test_plan_is_decided_by_its_seed() -> None:
    """A run can be repeated, and another seed is another run."""
    assert plan(1, 30, 180) == plan(1, 30, 180)
    assert plan(1, 30, 180) != plan(2, 30, 180)


def test_plan_of_an_hour_strikes_each_part_in_each_way() -> None:
    """No part is spared, and all of it lies within the time."""
    planned = plan(1, 500, 3600)
    assert {each.part for each in planned} == set(WEIGHTS)
    for part in WEIGHTS:
        deeds = {(each.deed, each.which) for each in planned if role_of(each.part) == role_of(part)}
        assert deeds == set(DEEDS[role_of(part)])
    assert all(0 <= each.at <= 3600 for each in planned)
    assert sorted(each.at for each in planned) == [each.at for each in planned]
