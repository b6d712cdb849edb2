"""Sets up .venv from a lock file, and does nothing when it is already as the lock file says.

Plain pip does the installing: it is there with every Python and obeys the index, proxy and certificate settings that
its user already has, which a faster installer would not. What is installed is remembered as a fingerprint, not as a
file's time: a fresh checkout, a moved folder and another Python each make a new one. Standard library only, as it runs
before anything is installed.
"""

import argparse
import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
DEV_LOCK = "requirements-dev.lock"
# Hashes are checked, nothing is compiled on this machine, and the lock file is already the whole answer (no resolving).
PIP_INSTALL = (str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")


def main() -> int:
    asked = argparse.ArgumentParser(description="Set up .venv from a lock file.")
    asked.add_argument("lock", choices=("requirements.lock", DEV_LOCK))
    lock = str(asked.parse_args().lock)
    try:
        # Two makes side by side: the second waits, then finds the work done.
        with (ROOT / ".venv.lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if not is_current(lock):
                set_up(lock)
    except subprocess.CalledProcessError as failed:
        print(f"Setting up .venv failed at: {' '.join(map(str, failed.cmd))}", file=sys.stderr)
        return 1
    except OSError as refused:
        print(f"Setting up .venv failed: {refused}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def set_up(lock: str) -> None:
    print(f"Installing what {lock} names into .venv ...", flush=True)
    for old in VENV.glob(".installed-*"):
        old.unlink()
    if not is_usable():
        shutil.rmtree(VENV, ignore_errors=True)
        run(sys.executable, "-m", "venv", str(VENV))
    run(*PIP_INSTALL, "--require-hashes", "--only-binary", ":all:", "--no-deps", "--requirement", lock)
    run(*PIP_INSTALL, "--no-index", "--no-build-isolation", "--no-deps", "--editable", ".")
    stamp(lock).write_text(fingerprint(lock))


def is_current(lock: str) -> bool:
    """The development lock holds all of the other at the same versions, so it serves for both."""
    return PYTHON.exists() and any(
        stamp(one).is_file() and stamp(one).read_text() == fingerprint(one) for one in dict.fromkeys((lock, DEV_LOCK))
    )


def is_usable() -> bool:
    """Whether .venv's Python still runs: an interrupted set-up or an upgraded system leaves one that does not."""
    if not PYTHON.exists() or shebang_is_stale():
        return False
    asked = subprocess.run((str(PYTHON), "-c", "import pip"), capture_output=True, check=False)
    return asked.returncode == 0


def shebang_is_stale() -> bool:
    """A virtual environment does not survive being moved: its scripts name the folder it was made in."""
    activate = VENV / "bin" / "activate"
    return not activate.is_file() or str(VENV) not in activate.read_text()


def stamp(lock: str) -> Path:
    return VENV / f".installed-{Path(lock).stem}"


def fingerprint(lock: str) -> str:
    """Changes with the place of the checkout, the Python below .venv, and what is to be installed."""
    made = hashlib.sha256(f"{VENV}\n".encode())
    for path in (VENV / "pyvenv.cfg", ROOT / lock, ROOT / "pyproject.toml"):
        made.update(path.read_bytes())
    return made.hexdigest()


def run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
