"""Operations: health, putting events on sale and stopping them, the counting of seats left.

Invariants
    An event is on sale exactly when its seats are laid down: both in one transaction.    (sale: put_on_sale)
    `/healthz` says that the process lives; `/readyz` that it can do its work now.

Owns no tables.
"""

from onsale.ops.checks import check
from onsale.ops.doctor import examine, settings_table, warnings
from onsale.ops.health import DatabaseCheck
from onsale.ops.health import router as health_router
from onsale.ops.housekeeping import Housekeeping
from onsale.ops.machine import Machine, MachineError, data_folder, environment, listening, machine, servers_for
from onsale.ops.routes import router
from onsale.ops.sale import SaleControl
from onsale.ops.seed import SeedMark, SeedReport, organiser_named, seed

__all__ = [
    "DatabaseCheck",
    "Housekeeping",
    "Machine",
    "MachineError",
    "SaleControl",
    "SeedMark",
    "SeedReport",
    "check",
    "data_folder",
    "environment",
    "examine",
    "health_router",
    "listening",
    "machine",
    "organiser_named",
    "router",
    "seed",
    "servers_for",
    "settings_table",
    "warnings",
]
