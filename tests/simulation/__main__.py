"""`python -m tests.simulation --seed N --seconds M`: one seed for as long as you like."""

import argparse
import asyncio
import sys

from tests.simulation.simulation import Servers, simulate

from onsale.kit import chance


def main() -> int:
    words = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    words.add_argument("--seed", type=int, default=chance.fresh_seed(), help="which course (default: a fresh one)")
    words.add_argument("--seconds", type=float, default=60.0, help="for how long (default: 60)")
    asked = words.parse_args()
    with Servers.started() as servers:
        ended = asyncio.run(simulate(servers, asked.seed, asked.seconds))
    for name, number in sorted(ended.counted.items()):
        print(f"{number:8,} {name}")
    print(ended.judgement, *ended.broken, *ended.bugs, sep="\n")
    return 0 if ended.good else 1


if __name__ == "__main__":
    sys.exit(main())
