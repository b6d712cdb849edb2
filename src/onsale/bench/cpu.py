"""What each part of the house has used of the processors: web processes, worker, PostgreSQL, Redis, the generator."""

import psutil

PARTS = ("app", "worker", "postgres", "redis", "gateway")
GENERATOR = "generator"
Used = dict[str, float]


def used_s() -> Used:
    """CPU seconds so far, by part. This process itself is the generator; the others are its children."""
    used = dict.fromkeys(PARTS, 0.0)
    for process in psutil.Process().children(recursive=True):
        try:
            times, part = process.cpu_times(), _part(process)
            parent = process.parent()
            if part is None:
                continue
            used[part] += times.user + times.system
            if part == "postgres" and parent is not None and parent.name() != "postgres":
                # Backends that have ended are in the account of the process that started them.
                used[part] += times.children_user + times.children_system
        except psutil.Error:  # It has ended between two looks.
            continue
    own = psutil.Process().cpu_times()
    return used | {GENERATOR: own.user + own.system}


def between_s(before: Used, after: Used) -> Used:
    return {part: after[part] - before[part] for part in after}


def _part(process: psutil.Process) -> str | None:
    name = process.name()
    if name == "postgres":
        return "postgres"
    if name in ("valkey-server", "redis-server"):
        return "redis"
    words = process.cmdline()
    return next((part for word, part in _WORDS.items() if word in words), None)


_WORDS = {"serve": "app", "work": "worker", "gateway": "gateway"}
