"""How much the machine and the database let a process open, and how rarely it need look for garbage."""

import gc
import resource
from contextlib import suppress

from onsale import limits
from onsale.kit import db

SQL = db.load(__package__)


def raise_open_files() -> None:
    """Take as many open files as we want and may have. Where we may not, there are fewer connections, and no error."""
    soft, most = open_files()
    wanted = min(limits.OPEN_FILES_MAX, most)
    if soft < wanted:
        # macOS names a hard limit that it does not keep.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def open_files() -> tuple[int, int]:
    """How many files this process may open, and how many it could ask for."""
    soft, hard = (
        limits.OPEN_FILES_MAX if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return soft, hard


def settle_memory() -> None:
    """Once all is imported: what lives now lives for ever, so the collector need not walk it again and again.

    Requests leave hardly any cycles behind, but a batch makes thousands of objects, each of which counts towards the
    next walk: at the default threshold a busy web process spent a sixth of its time walking (py-spy, 2,500 attempts/s).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(limits.GARBAGE_OBJECTS_MAX, 10, 10)


async def connections_max(database: db.Database) -> int:
    """How many connections PostgreSQL allows all of us together. Raises Unavailable."""
    async with database.transaction() as tx:
        row = await (await tx.execute(SQL.connections_max)).fetchone()
    assert row is not None
    return int(row[0])
