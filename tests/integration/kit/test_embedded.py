"""The embedded servers, for real: started, stopped, refused, killed and taken over."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from onsale.kit import embedded
from onsale.kit.embedded import Embedded, EmbeddedError, layout
from onsale.kit.embedded import postgres as pg
from onsale.kit.embedded import servers as servers_module
from onsale.kit.embedded import valkey as vk

# The only place where a test gives up durability: these clusters live for a second.
FAST = {"fsync": "off", "shared_buffers": "16MB"}
KILLED_PARENT = """
import sys, time
from pathlib import Path
from onsale.kit.embedded import Embedded
servers = Embedded.start(Path(sys.argv[1]), settings={"fsync": "off", "shared_buffers": "16MB"})
print(*servers.pids.values(), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for the tests that only need some: a space in its name, and a cluster already made."""
    folder = tmp_path_factory.mktemp("data of") / "a fan"
    Embedded.start(folder, settings=FAST).stop()
    return folder


@pytest.fixture
def orphans(kept: Path) -> Iterator[list[int]]:
    """Servers whose parent was killed with SIGKILL, as pids; ended after the test if it left them."""
    parent = subprocess.Popen([sys.executable, "-c", KILLED_PARENT, str(kept)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pids = [int(word) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    yield pids
    for pid in filter(psutil.pid_exists, pids):
        os.kill(pid, signal.SIGKILL)


def write(servers: Embedded, text: str) -> None:
    with psycopg.connect(servers.addresses.database_url) as connection:
        connection.execute("create table if not exists note (text text)")
        connection.execute("insert into note values (%s)", (text,))


def notes(servers: Embedded) -> list[str]:
    with psycopg.connect(servers.addresses.database_url) as connection:
        return [row[0] for row in connection.execute("select text from note").fetchall()]


def setting(servers: Embedded, name: str) -> str:
    with psycopg.connect(servers.addresses.database_url) as connection:
        row = connection.execute("select current_setting(%s)", (name,)).fetchone()
    assert row
    return str(row[0])


def gone(pid: int) -> bool:
    """Ended, or dead and only waiting for whoever adopted it to notice."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_second_start_finds_the_data_of_the_first(kept: Path) -> None:
    with Embedded.start(kept, settings=FAST) as servers:
        write(servers, "kept")
    with Embedded.start(kept, settings=FAST) as servers:
        assert "kept" in notes(servers)


def test_stopping_ends_both_servers_and_leaves_no_socket(kept: Path) -> None:
    with Embedded.start(kept, settings=FAST) as servers:
        pids = servers.pids
        assert set(pids) == {"postgres", "valkey"}
        assert embedded.running(kept) and servers.alive()
    assert all(gone(pid) for pid in pids.values())
    assert not embedded.running(kept)
    assert not list(layout.layout(kept).run_dir.iterdir())
    servers.stop()


def test_the_servers_listen_on_no_port(kept: Path) -> None:
    with Embedded.start(kept, settings=FAST) as servers:
        client = redis.Redis.from_url(servers.addresses.redis_url)
        assert client.config_get("port") == {"port": "0"}
        client.close()
        assert setting(servers, "listen_addresses") == ""


def test_valkey_answers_at_its_address_and_never_drops_or_writes_anything(kept: Path) -> None:
    with Embedded.start(kept, postgres=False) as servers:
        client = redis.Redis.from_url(servers.addresses.redis_url)
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
        client.close()
        assert set(servers.pids) == {"valkey"}


def test_the_addresses_are_known_before_anything_runs(kept: Path) -> None:
    with Embedded.start(kept, valkey=False, settings=FAST) as servers:
        assert embedded.addresses(kept) == servers.addresses
        assert set(servers.pids) == {"postgres"}


def test_durability_is_on_unless_a_test_asks_otherwise(kept: Path) -> None:
    with Embedded.start(kept, valkey=False) as servers:
        names = ("fsync", "full_page_writes", "synchronous_commit")
        assert [setting(servers, name) for name in names] == ["on", "on", "on"]


def test_letters_beyond_ascii_are_folded_whatever_the_machine_speaks(kept: Path) -> None:
    with (
        Embedded.start(kept, valkey=False, settings=FAST) as servers,
        psycopg.connect(servers.addresses.database_url) as connection,
    ):
        assert connection.execute("select lower('BJÖRK')").fetchone() == ("björk",)


def test_a_name_too_long_for_a_socket_works_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / "data"
    with Embedded.start(folder, settings=FAST) as servers:
        write(servers, "far away")
        client = redis.Redis.from_url(servers.addresses.redis_url)
        assert client.ping()
        client.close()
        run_dir = layout.layout(folder).run_dir
        assert not run_dir.is_relative_to(tmp_path)
        assert run_dir.parent.stat().st_mode & 0o066 == 0
    run_dir.rmdir()
    run_dir.parent.rmdir()


def test_a_comma_in_the_name_is_not_read_as_two_hosts(tmp_path: Path) -> None:
    folder = tmp_path / "here, there"
    with Embedded.start(folder, valkey=False, settings=FAST) as servers:
        write(servers, "one host")
    run_dir = layout.layout(folder).run_dir
    run_dir.rmdir()
    run_dir.parent.rmdir()


def test_somebody_elses_folder_in_tmp_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    trap = layout.layout(folder).run_dir.parent
    trap.mkdir(mode=0o777)
    trap.chmod(0o777)
    try:
        with pytest.raises(EmbeddedError, match="private") as refused:
            Embedded.start(folder)
    finally:
        trap.rmdir()
    assert refused.value.code == "data_dir_not_writable"


def test_a_second_start_on_a_running_folder_is_refused_and_harms_nothing(kept: Path) -> None:
    with Embedded.start(kept, settings=FAST) as servers:
        with pytest.raises(EmbeddedError, match=f"process {os.getpid()}.*ONSALE_DATA_DIR") as refused:
            Embedded.start(kept, settings=FAST)
        assert refused.value.code == "data_dir_in_use"
        assert servers.alive()
        assert setting(servers, "fsync") == "off"


def test_servers_of_a_killed_process_are_taken_over_and_stopped_at_the_end(kept: Path, orphans: list[int]) -> None:
    assert len(orphans) == 2
    assert embedded.running(kept)
    with Embedded.start(kept, settings=FAST) as servers:
        assert sorted(servers.pids.values()) == sorted(orphans)
        write(servers, "taken over")
    assert all(gone(pid) for pid in orphans)
    with Embedded.start(kept, valkey=False, settings=FAST) as servers:
        assert "taken over" in notes(servers)


def test_everything_killed_at_once_comes_back_with_what_was_committed(kept: Path, orphans: list[int]) -> None:
    with psycopg.connect(embedded.addresses(kept).database_url, autocommit=True) as connection:
        connection.execute("create table if not exists note (text text)")
        connection.execute("insert into note values ('before the crash')")
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
    # PostgreSQL's own processes notice the death of their parent by themselves, and soon.
    folder, deadline = layout.layout(kept).postgres, time.monotonic() + 20
    while any(pg._may_work_in(one, folder) for one in psutil.process_iter() if pg._is_postgres(one)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with Embedded.start(kept, settings=FAST) as servers:
        assert not set(servers.pids.values()) & set(orphans)
        assert "before the crash" in notes(servers)


def test_a_server_that_dies_is_revived_with_its_data(kept: Path) -> None:
    with Embedded.start(kept, settings=FAST) as servers:
        write(servers, "before it died")
        before = servers.pids
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while servers.alive():
            assert time.monotonic() < deadline
        began = time.monotonic()
        servers.revive()
        assert time.monotonic() - began < 1, "who watches over them is not held up"
        await_answer(servers)
        assert not set(servers.pids.values()) & set(before.values())
        assert "before it died" in notes(servers)


def await_answer(servers: Embedded) -> None:
    """Look as the supervisor does, until PostgreSQL answers."""
    deadline = time.monotonic() + 30
    while True:
        if not servers.alive():
            servers.revive()
        try:
            psycopg.connect(servers.addresses.database_url).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_server_that_will_not_be_revived_is_given_up_after_some_attempts_none_of_which_waits(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers_module, "REVIVE_PAUSE_S", 0.2)
    with Embedded.start(kept, postgres=False) as servers:
        monkeypatch.setattr(vk, "_options", lambda home: ["--no-such-option", "1"])
        os.kill(servers.pids["valkey"], signal.SIGKILL)
        looks: list[float] = []
        with pytest.raises(EmbeddedError, match="5 times in a row"):
            look_for_ever(servers, looks)
    assert max(looks) < 0.5


def look_for_ever(servers: Embedded, looks: list[float]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        began = time.monotonic()
        if not servers.alive():
            servers.revive()
        looks.append(time.monotonic() - began)
        time.sleep(0.05)


def test_a_pid_file_that_names_another_program_does_not_stop_the_start(kept: Path) -> None:
    pid_file = layout.layout(kept).postgres / "postmaster.pid"
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(f"{bystander.pid}\n{pid_file.parent}\n1\n5432\n\n\n")
        pid_file.chmod(0o600)
        assert not embedded.running(kept)
        with Embedded.start(kept, valkey=False, settings=FAST) as servers:
            assert servers.alive()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_cluster_left_half_made_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    with Embedded.start(tmp_path, valkey=False, settings=FAST) as servers:
        assert setting(servers, "server_version_num").startswith("18")
    assert not (tmp_path / "postgres.new").exists()


@pytest.mark.parametrize("below", ["a file", "a file/data"])
def test_a_folder_that_cannot_be_written_is_said_in_plain_words(tmp_path: Path, below: str) -> None:
    (tmp_path / "a file").write_text("not a folder")
    with pytest.raises(EmbeddedError, match=r"cannot be used: .*ONSALE_DATA_DIR") as refused:
        Embedded.start(tmp_path / below)
    assert refused.value.code == "data_dir_not_writable"


def test_a_folder_of_another_postgresql_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 15") as refused:
        Embedded.start(tmp_path)
    assert refused.value.code == "data_dir_of_another_version"
    assert not embedded.running(tmp_path)


@pytest.mark.parametrize(("room", "setting_name"), [(pg, "ONSALE_DATABASE_URL"), (vk, "ONSALE_REDIS_URL")])
def test_a_missing_server_is_said_with_the_way_out(
    room: object, setting_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PACKAGE", "no_such_package")
    monkeypatch.setattr(vk, "ON_PATH", ("no-such-server",))
    with pytest.raises(EmbeddedError, match=setting_name) as refused:
        Embedded.start(tmp_path / "data")
    assert refused.value.code == "server_missing"


def test_a_server_that_will_not_start_shows_the_end_of_its_log(kept: Path) -> None:
    with pytest.raises(EmbeddedError, match="shared_buffers") as refused:
        Embedded.start(kept, settings={"shared_buffers": "as much as you like"})
    assert refused.value.code == "server_failed"
    assert not embedded.running(kept)


def test_no_server_runs_as_root_whoever_starts_it(kept: Path) -> None:
    with Embedded.start(kept, settings=FAST) as servers:
        for pid in servers.pids.values():
            assert psutil.Process(pid).uids().effective != 0


@pytest.fixture
def enterable() -> Iterator[Path]:
    """A place like /var/lib, which every user may pass through; pytest's own folders are root's alone."""
    place = Path(tempfile.mkdtemp(prefix="onsale-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give away")
@pytest.mark.parametrize("below", ["data", "long" * 30])
def test_in_an_ordinary_place_no_server_gets_a_right_of_root(enterable: Path, below: str) -> None:
    data = enterable / below
    with Embedded.start(data, settings=FAST) as servers:
        for pid in servers.pids.values():
            status = Path(f"/proc/{pid}/status").read_text()
            assert re.search(r"CapEff:\t0+\n", status) and re.search(r"CapBnd:\t0+\n", status)
        assert data.stat().st_mode & 0o777 == 0o711
        inside = [path for path in data.iterdir() if path.stat().st_mode & 0o077]
        assert not inside, "who passes through opens nothing"
    if not layout.layout(data).run_dir.is_relative_to(data):
        shutil.rmtree(layout.layout(data).run_dir.parent)


def test_the_servers_are_told_no_secret_of_ours(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONSALE_SECRET_KEY", "not for them")
    with Embedded.start(kept, settings=FAST) as servers:
        for pid in servers.pids.values():
            assert not any(name.startswith("ONSALE_") for name in psutil.Process(pid).environ())
