"""The drop: an on-sale, simulated against a running onsale, and a referee that says whether it was just.

Purpose
    `load`     pieces of work at the moments they are due, whatever the system does meanwhile (open loop)
    `volley`   prepared requests by the ten thousand a second, for benchmarks (open loop)
    `buyout`   a crowd of fans who behave, from session to tickets, until the event is sold out
    `referee`  every invariant of design.md section 3 as a query that returns the rows that break it
    `witness`  what clients were answered, held against the tables: seats given twice, holds lost, false "taken"
It stands outside the house: it talks HTTP like anybody, reads tables in read-only transactions, imports `kit` only
and is imported by the commands and benches only. What it measures it measures from when it was due, and it says so when
the generator itself, not the system, was the limit.

Owns nothing: no table, no Redis key.
"""

from onsale.drop.answers import AnswerLog, Heard, Verb
from onsale.drop.buyout import BuyoutReport, buy_out
from onsale.drop.client import Client, fan_address
from onsale.drop.connection import RequestFailed
from onsale.drop.fan import Habits
from onsale.drop.load import Report, merged, run
from onsale.drop.referee import Verdict, referee
from onsale.drop.schedule import Schedule
from onsale.drop.volley import Shot, Volley
from onsale.drop.witness import Judgement, slow_changes, witness

__all__ = [
    "AnswerLog",
    "BuyoutReport",
    "Client",
    "Habits",
    "Heard",
    "Judgement",
    "Report",
    "RequestFailed",
    "Schedule",
    "Shot",
    "Verb",
    "Verdict",
    "Volley",
    "buy_out",
    "fan_address",
    "merged",
    "referee",
    "run",
    "slow_changes",
    "witness",
]
