"""Taking seats without HTTP: onsale's batches beside a transaction a request, many clients at once in one process."""

import subprocess
import sys

import msgspec

from onsale import ops
from onsale.bench import cpu
from onsale.bench.stage import Stage, need_baselines
from onsale.kit.supervise import environment as command_environment

TIMEOUT_S = 120.0


class Way(msgspec.Struct, frozen=True):
    """Holds a second, and holds a CPU second of the process and PostgreSQL together."""

    per_s: float
    per_cpu_s: float


class InProcess(msgspec.Struct, frozen=True):
    """Both ways; `ratio` of holds per CPU second."""

    batched: Way
    for_update: Way
    ratio: float


class _Told(msgspec.Struct):
    holds: int
    took_s: float
    cpu_s: float


def compare(stage: Stage, events: tuple[int, int]) -> InProcess:
    """The same holds, by onsale and by SELECT ... FOR UPDATE, on an event each. Raises StageError."""
    need_baselines()
    ours, plain = _way(stage, "onsale", events[0]), _way(stage, "for_update", events[1])
    return InProcess(ours, plain, ours.per_cpu_s / plain.per_cpu_s)


def _way(stage: Stage, kind: str, event: int) -> Way:
    before = cpu.used_s()
    said = subprocess.run(
        [sys.executable, "-m", "bench.in_process", kind, str(event)],
        env=command_environment(ops.environment(stage.settings)),
        check=True, capture_output=True, timeout=TIMEOUT_S,
    ).stdout  # fmt: skip
    told = msgspec.json.decode(said, type=_Told)
    postgres_s = cpu.between_s(before, cpu.used_s())["postgres"]
    return Way(told.holds / told.took_s, told.holds / (told.cpu_s + postgres_s))
