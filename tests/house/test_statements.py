"""The reader of SQL behind test_sql.py: what it misses, the rule about foreign tables would miss in silence."""

from __future__ import annotations

from .statements import created, tables


def test_the_tables_of_a_query_are_found() -> None:
    """Negative control of the reader: every way to name a table, and what only looks like one."""
    for sql, wanted in (
        ("select 1 from seat s, only hold as h where s.a = h.a", {"seat", "hold"}),
        (
            "select 1 from seat left join lateral (select 1 from hold) h on true join buyer using (a)",
            {"seat", "hold", "buyer"},
        ),
        ("insert into seat (a) select a from unnest(%(a)s::int[]) as t(a)", {"seat"}),
        ("INSERT INTO seat AS s VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1", {"seat"}),
        ("update only seat s set a = h.a from hold h where h.b is distinct from s.b", {"seat", "hold"}),
        ("delete from seat s using hold h where h.a = s.a", {"seat", "hold"}),
        (
            "with won as (select 1 from seat for update of seat), b (x) as materialized (select 1) select 1 from won",
            {"seat"},
        ),
        ("select extract(epoch from at), substring(a from 2) from public.hold -- from venue\n", {"hold"}),
        (
            "select 'from venue', a from unnest(%(a)s, %(b)s) with ordinality t(a, b), seat order by a, event",
            {"seat"},
        ),
        ("select 1 from (select 1 from seat) x, hold", {"seat", "hold"}),
        ("select 1 from seat for no key update skip locked", {"seat"}),
        ("merge into seat using hold h on true", {"seat", "hold"}),
        ("truncate table seat", {"seat"}),
        ("select (select count(*) from ticket) from pg_class", {"ticket", "pg_class"}),
    ):
        assert tables(sql) == wanted, sql


def test_the_tables_of_a_migration_are_found() -> None:
    """The same for what a migration creates; comments create nothing, and a partition belongs to its parent."""
    assert created("-- create table no (a int)\nCREATE TABLE seat (a int);") == {"seat"}
    assert created("create unlogged table if not exists public.hold (b int);") == {"hold"}
    assert created("create table seat_1 partition of seat default;") == set()
