"""Who the servers run as. An ordinary user runs them as itself; root must hand them to somebody else.

PostgreSQL refuses to run as root, with reason: whoever may run SQL would own the machine. So root gives the servers'
folders to the user `postgres`, or `nobody`, and starts them through setpriv(1).
"""

import os
import pwd
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from onsale.kit.embedded.layout import EmbeddedError

USERS = ("postgres", "nobody")
# Least first. A checkout below a home folder that only root may enter needs a capability to be reached: the right to
# read and enter, or, in containers that took that one away from root, the wider one that they left.
CAPABILITIES = ("", "+dac_read_search", "+dac_override")
PROBE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class RunAs:
    """A user (None: the present one) and the words to put before a command so that it runs as that user."""

    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    def own(self, folder: Path) -> None:
        """Give a folder, not what is in it, to the servers' user."""
        if self.uid is not None and self.gid is not None and folder.stat().st_uid != self.uid:
            os.chown(folder, self.uid, self.gid)


def choose(run_dir: Path, postgres_data: Path, programs: Iterable[Path]) -> RunAs:
    """Whom the servers of these folders run as, tried out on their programs. EmbeddedError when nobody will do."""
    if os.geteuid() != 0:
        return RunAs()
    uid, gid = _user(postgres_data)
    said = ""
    for capabilities in CAPABILITIES:
        candidate = RunAs(uid, gid, _setpriv(uid, gid, capabilities))
        try:
            candidate.own(run_dir)
            said = _refusal(candidate, (run_dir, postgres_data.parent), programs)
        except (OSError, subprocess.SubprocessError) as failed:
            said = str(failed)
        if not said:
            return candidate
    raise EmbeddedError(
        "no_user_to_run_as",
        f"PostgreSQL does not run as root, and handing it to the user {uid} failed here ({said}). "
        "Run onsale as an ordinary user, put it where other users may read it, or name a PostgreSQL that runs "
        "elsewhere with ONSALE_DATABASE_URL (and a Redis with ONSALE_REDIS_URL).",
    )


def _user(postgres_data: Path) -> tuple[int, int]:
    """User and group of whoever owns the data already; else of the first user of the list that this machine has."""
    if postgres_data.exists() and (owner := postgres_data.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    known = {user.pw_name: user for user in pwd.getpwall()}
    for name in USERS:
        if name in known:
            return known[name].pw_uid, known[name].pw_gid
    raise EmbeddedError(
        "no_user_to_run_as",
        f"PostgreSQL does not run as root, and this machine has no user {' or '.join(USERS)}.",
    )


def _setpriv(uid: int, gid: int, capabilities: str) -> tuple[str, ...]:
    sets = f"-all,{capabilities}" if capabilities else "-all"
    return (
        "setpriv",
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        f"--inh-caps={sets}",
        f"--ambient-caps={sets}",
        f"--bounding-set={sets}",
    )


def _refusal(candidate: RunAs, folders: tuple[Path, Path], programs: Iterable[Path]) -> str:
    """Why that user cannot run the programs with its sockets and its data in these folders; empty when it can."""
    script = 'cd "$0" && cd "$1" && shift && for program; do [ -r "$program" ] && "$program" --version || exit; done'
    tried = subprocess.run(
        [*candidate.prefix, "/bin/sh", "-c", script, *map(str, folders), *map(str, programs)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=PROBE_TIMEOUT_S,
    )
    return "" if tried.returncode == 0 else (tried.stderr.strip() or f"{programs} cannot be read")
