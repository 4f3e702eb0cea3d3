"""The demo as a program: ``python -m airflow_green_notify.demo``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from airflow_green_notify.demo import plain, ui


def main(argv: Sequence[str] | None = None) -> int:
    """Show the example Dags with real Airflow, without account or server.

    Without --ui: run some of them to their end, and count that nothing was lost. With --ui: start a whole
    Airflow to look around in, until Ctrl-C. Either way everything lies in a temporary folder.
    """
    parser = argparse.ArgumentParser(
        prog="python -m airflow_green_notify.demo",
        description=main.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ui", action="store_true", help="start a whole Airflow, and say where it is")
    parser.add_argument("--port", type=int, default=0, help="that of Airflow's UI; by default a free one")
    given = parser.parse_args(argv)
    return ui.run(given.port) if given.ui else plain.run()


if __name__ == "__main__":
    sys.exit(main())
