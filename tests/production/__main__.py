"""``python -m tests.production up`` runs an Airflow as in production until Ctrl-C, and prints its address."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.production.airflow import ProductionAirflow

EXAMPLES = Path(__file__).parents[2] / "example_dags"


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that is gone in the end, also after a signal, which ends this process in good order.

    SIGINT does so, too, where a script began it in the background: there Python leaves it ignored.
    """
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _end)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(
            prefix="green-notify-production-", ignore_cleanup_errors=True
        ) as folder:
            yield Path(folder)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    """Run it until somebody ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.production", description=__doc__)
    parser.add_argument("do", choices=["up"])
    parser.add_argument("--dags", type=Path, default=EXAMPLES, help="a folder of Dag files")
    parser.add_argument("--instances", type=int, default=20)
    options = parser.parse_args()
    try:
        with own_folder() as folder:
            print(f"Everything lies in {folder}.", flush=True)
            with ProductionAirflow(folder, options.dags, instances=options.instances) as airflow:
                print(
                    f"Airflow at {airflow.url}, gateway at {airflow.gateway.url}. Ctrl-C ends it.", flush=True
                )
                while True:
                    time.sleep(1)
                    airflow.check_parts()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
