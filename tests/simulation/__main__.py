"""``python -m tests.simulation --histories 100000 --seed-base 1``: many histories, or one seed's story."""

from __future__ import annotations

import argparse
import sys

from tests.simulation.many import run_many
from tests.simulation.schedule import MIXES


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--mix", choices=sorted(MIXES), default="worst")
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed-base", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--story", type=int, metavar="SEED", help="tell the story of one seed")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    if arguments.story is not None:
        from tests.simulation.many import story

        print(story(arguments.mix, arguments.story))
        return 0
    totals = run_many(arguments.mix, arguments.seed_base, arguments.histories, arguments.processes)
    print(totals)
    return bool(totals.failing)


if __name__ == "__main__":
    sys.exit(main())
