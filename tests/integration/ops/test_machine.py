"""What a machine needs before it sells: its secret whole, its address its own, room for its connections."""

import errno
import os
import resource
import socket
from pathlib import Path

import pytest
from tests.running import run

from onsale import limits
from onsale.config import Settings
from onsale.kit import capacity, db
from onsale.ops import MachineError, doctor, listening
from onsale.ops.machine import connections_wanted, with_secret

LONG_ENOUGH = 32


def test_the_secret_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path):
    first = with_secret(Settings(data_dir=tmp_path)).secret_key
    assert len(first) >= LONG_ENOUGH
    assert with_secret(Settings(data_dir=tmp_path)).secret_key == first
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["secret.key"], "no draft is left"


@pytest.mark.parametrize("left", [b"", b"\n", b"cut-short", b"x" * 31, b"\x00\xff" * 40])
def test_a_secret_that_was_cut_short_is_refused_and_left_as_it_is(left: bytes, tmp_path: Path):
    (tmp_path / "secret.key").write_bytes(left)
    with pytest.raises(MachineError) as refused:
        with_secret(Settings(data_dir=tmp_path))
    assert refused.value.code == "bad_secret"
    assert (tmp_path / "secret.key").read_bytes() == left


def test_the_secret_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []
    fsync, link = os.fsync, os.link

    def noted_fsync(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def noted_link(source: Path, target: Path) -> None:
        done.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted_link)
    with_secret(Settings(data_dir=tmp_path))
    assert done == ["file", "link", "folder"]


@pytest.mark.parametrize(
    ("host", "port", "code"),
    [
        ("127.0.0.1", 70_000, "bad_port"),
        ("no.such.host.invalid", 0, "bad_host"),
        ("192.0.2.77", 0, "bad_host"),
    ],
)
def test_an_address_that_cannot_be_ours_is_not_called_taken(host: str, port: int, code: str):
    with pytest.raises(MachineError) as refused, listening(host, port):
        raise AssertionError("listens")
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EADDRINUSE, "port_in_use"), (errno.EACCES, "port_not_allowed"), (errno.EMFILE, "cannot_listen")],
)
def test_why_an_address_cannot_be_listened_on_is_told(number: int, code: str, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(MachineError) as refused, listening("127.0.0.1", 80):
        raise AssertionError("listens")
    assert refused.value.code == code
    assert os.strerror(number) in str(refused.value)


def test_the_embedded_database_is_made_as_large_as_its_machine(tmp_path: Path):
    said = run("migrate", DATA_DIR=tmp_path, WEB_PROCESSES=8)
    assert said.code == 0, said.said
    assert connections_wanted(Settings(web_processes=8)) == 9 * limits.PROCESS_CONNECTIONS_MAX
    wanted = 9 * limits.PROCESS_CONNECTIONS_MAX + limits.SPARE_CONNECTIONS_MAX
    options = (tmp_path / "postgres" / "postmaster.opts").read_text()
    assert f"max_connections={wanted}" in options


@pytest.mark.anyio
async def test_the_database_says_how_many_connections_it_allows(database: db.Database):
    assert await capacity.connections_max(database) == 200 - 3


def test_a_process_takes_as_many_open_files_as_it_may_have():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        capacity.raise_open_files()
        most = limits.OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, limits.OPEN_FILES_MAX)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (Settings(), []),
        (Settings(host="0.0.0.0"), ["mail"]),
        (Settings(public_url="https://a.example.org", smtp_url="smtp://m"), ["proxy"]),
        (Settings(public_url="http://a.example.org"), ["mail", "proxy"]),
        (Settings(public_url="https://a.example.org", smtp_url="smtp://m", trusted_proxies="127.0.0.1"), []),
        (Settings(host="0.0.0.0", public_url="http://a.example.org", smtp_url="smtp://m"), []),
    ],
)
def test_settings_that_fit_badly_together_are_told_at_the_start(settings: Settings, wrong: list[str]):
    assert [finding.what for finding in doctor.warnings(settings)] == wrong


def test_the_doctor_asks_the_gateway_and_the_mail_server(servers, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as there, socket.create_server(("127.0.0.1", 0)) as gone:
        free = gone.getsockname()[1]
        gone.close()
        url = f"http://127.0.0.1:{there.getsockname()[1]}"
        smtp = f"smtp://127.0.0.1:{free}"
        ended = run("doctor", DATA_DIR=tmp_path, REDIS_URL=servers.redis_url, GATEWAY_URL=url, SMTP_URL=smtp, PORT=free)
    assert ended.code == 1
    assert "ok    gateway: answers" in ended.said
    assert "wrong mail server: does not answer" in ended.said
