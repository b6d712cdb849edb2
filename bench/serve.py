"""A web process of onsale that takes seats another way: `python -m bench.serve KIND`, then what `onsale` is given."""

import sys
from dataclasses import replace
from typing import Any

from bench.baselines import KINDS
from onsale import app as composition
from onsale import cli


def main() -> None:
    kind = KINDS[sys.argv.pop(1)]
    original = composition.web

    def web(house: composition.House, role: Any) -> Any:
        stand_in: Any = kind(house)
        return original(replace(house, inventory=stand_in), role)

    composition.web = web
    cli.main()


if __name__ == "__main__":
    main()
