"""Gauges of several processes: what the dead last said is no longer so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onsale.kit import telemetry

SAY = """
import pytest

from onsale.kit import telemetry
telemetry.gauge("onsale_here", "Who is here.").set(3)
telemetry.counter("onsale_came_total", "Who came.").inc(3)
"""
READ = "from onsale.kit import telemetry; print(telemetry.exposition()[0].decode())"


def ran(code: str, folder: Path) -> tuple[int, str]:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    return process.pid, said


def test_a_dead_process_counts_no_longer_as_there_but_what_it_did_was_done(tmp_path):
    first, _ = ran(SAY, tmp_path)
    ran(SAY, tmp_path)
    assert "onsale_here 6.0" in ran(READ, tmp_path)[1]
    telemetry.forget_process(first, tmp_path)
    left = ran(READ, tmp_path)[1]
    assert "onsale_here 3.0" in left
    assert "onsale_came_total 6.0" in left


FAIL = """
import sys
import pytest

from onsale.kit import telemetry
telemetry.configure("info", sys.argv[1])
def sign_in(token):
    raise ValueError("a bug")
try:
    sign_in("the-secret-" + "token")
except ValueError as error:
    telemetry.log.error("unexpected_error", exc_info=error)
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_logged_of_a_bug_says_where_it_was_and_shows_no_value_of_a_variable(form):
    made = subprocess.run([sys.executable, "-c", FAIL, form], capture_output=True, text=True, check=True)
    assert "ValueError: a bug" in made.stderr and "in sign_in" in made.stderr
    assert "the-secret-token" not in made.stderr
