"""The emulator as a program: ``python -m airflow_green_notify.emulator``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
from dataclasses import fields
from types import FrameType
from typing import Any

from airflow_green_notify.emulator import GreenApiEmulator, Switches, example_notifications, traffic
from airflow_green_notify.emulator.emulator import FIRST_ID
from airflow_green_notify.emulator.instance import TYPES
from airflow_green_notify.emulator.switches import CHOICES

PORT = 18090
READERS = {"int": int, "str": str, "float": float, "int | None": int}


def main(arguments: list[str] | None = None) -> int:
    """Serve an emulated gateway on 127.0.0.1 until SIGINT or SIGTERM."""
    options = vars(_parser().parse_args(arguments))
    examples, per_second = options.pop("examples"), options.pop("traffic")
    make = GreenApiEmulator.realistic if options.pop("realistic") else GreenApiEmulator
    stop = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    try:
        gateway = make(**options).start()
    except (OSError, OverflowError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if examples:
        gateway.push(*example_notifications(recent=True))
    _introduce(gateway)
    _serve(gateway, per_second, stop)
    gateway.stop()
    return 0


def _introduce(gateway: GreenApiEmulator) -> None:
    print(f"GREEN-API emulator at {gateway.url}, instance {gateway.id_instance}")
    print(f"export AIRFLOW_CONN_GREEN_API_DEFAULT={shlex.quote(gateway.connection)}", flush=True)


def _serve(gateway: GreenApiEmulator, per_second: float, stop: threading.Event) -> None:
    if per_second <= 0:
        stop.wait()
        return
    for body in traffic(id_instance=int(gateway.id_instance), type_instance=gateway.type_instance):
        if stop.wait(1 / per_second):
            return
        gateway.push(body)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_green_notify.emulator", description=main.__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--id-instance", default=str(FIRST_ID), help="default: %(default)s")
    parser.add_argument("--api-token", help="default: a random one")
    parser.add_argument("--partner-token", help="for /partner/…; default: a random one")
    parser.add_argument("--type-instance", choices=TYPES, default="whatsapp", help="default: %(default)s")
    parser.add_argument(
        "--realistic", action="store_true", help="slow settings, counts and sends, and no notifications on"
    )
    parser.add_argument("--examples", action="store_true", help="begin with the 80 example notifications")
    parser.add_argument("--traffic", type=float, default=0.0, metavar="PER_SECOND", help="push all the time")
    group = parser.add_argument_group("switches", "described at airflow_green_notify.emulator.Switches")
    for switch in fields(Switches):
        group.add_argument(f"--{switch.name.replace('_', '-')}", **_option(switch.name, str(switch.type)))
    return parser


def _option(name: str, kind: str) -> dict[str, Any]:
    if kind == "bool":
        return {"action": argparse.BooleanOptionalAction, "default": argparse.SUPPRESS}
    return {"type": READERS[kind], "choices": CHOICES.get(name), "default": argparse.SUPPRESS}


if __name__ == "__main__":
    raise SystemExit(main())
