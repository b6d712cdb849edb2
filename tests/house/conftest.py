"""Prints what the rules measured (medians, wide doors) at the end of a run: a ratchet needs its number seen."""

from __future__ import annotations

import pytest

from . import house


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the notes only when a house test ran and had something to tell."""
    if house.notes:
        terminalreporter.section("house")
        for note in house.notes:
            terminalreporter.write_line(note)
