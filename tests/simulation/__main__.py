"""Run histories, or tell one seed's story.

``python -m tests.simulation --histories 100000 --seed-base 1`` runs every mix by its share, ``--mix`` one
alone; ``python -m tests.simulation --mix worst --story 42`` tells what happened.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--mix", help="one mix; by default all of them")
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--seed-base", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--story", type=int, metavar="SEED", help="tell the story of one seed of the mix")
    return parser.parse_args()


def main() -> int:
    """Do what the command line says."""
    from tests.simulation.many import run_many, shares, tell

    arguments = _arguments()
    if arguments.story is not None:
        print(tell(arguments.mix, arguments.story))
        return 0
    histories = {arguments.mix: arguments.histories} if arguments.mix else shares(arguments.histories)
    totals = run_many(histories, arguments.seed_base, arguments.processes)
    print(*totals.values(), sep="\n")
    return any(each.break_promises() for each in totals.values())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("AIRFLOW_HOME", home)  # importing Airflow writes its configuration there
        status = main()
    sys.exit(status)
