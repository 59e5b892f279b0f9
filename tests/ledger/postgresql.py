"""A PostgreSQL server of the tests' own, in a folder that is gone afterwards."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "s3cret/p@ss:wörd%"
WRITTEN = "s3cret%2Fp%40ss%3Aw%C3%B6rd%25"


@dataclass(frozen=True)
class Server:
    """A running server: its port on 127.0.0.1, the folder of its socket,
    and the log that it writes.
    """

    port: int
    folder: Path
    log: Path

    def url(
        self, password: str = WRITTEN, host: str = "127.0.0.1", database: str = "finance"
    ) -> str:
        return f"postgresql://reader:{password}@{host}:{self.port}/{database}"

    @contextlib.contextmanager
    def owner(self, database: str = "finance") -> Iterator[object]:
        """A connection of the server's owner, through its socket."""
        import psycopg

        how = {"host": str(self.folder), "port": self.port, "user": "owner", "dbname": database}
        with psycopg.connect(**how, autocommit=True) as connection:
            yield connection


def programs() -> Path | None:
    """The folder with initdb and postgres: Debian keeps it off the PATH, one a version."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: int(path.parent.name.split(".")[0]),
    )
    on_path = shutil.which("initdb")
    found = [*([Path(on_path).resolve().parent] if on_path else []), *reversed(debian)]
    return next(
        (path for path in found if (path / "initdb").exists() and (path / "postgres").exists()),
        None,
    )


def unprivileged() -> dict[str, object]:
    """Whom to run the server as: it refuses to run as root."""
    if os.geteuid():
        return {}
    import pwd

    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    who = known.get("postgres") or known["nobody"]
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """An empty server of the test's own; where there is none the test is skipped, in CI it fails."""
    found = programs()
    if found is None:
        why = "there is no PostgreSQL server on this machine: install Debian's package postgresql"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    who = unprivileged()
    # Not pytest's own folder: only its user may enter that one, and a socket's path is at most 107 bytes long.
    folder = Path(tempfile.mkdtemp(prefix="nrrsim-pg-"))
    if who:
        os.chown(folder, who["user"], who["group"])
    try:
        data, log = folder / "data", folder / "log"
        clean = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(folder)}
        init = [
            found / "initdb",
            "-D",
            data,
            "-U",
            "owner",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        init += ["--auth-local=trust", "--auth-host=scram-sha-256"]
        made = subprocess.run(
            init, cwd=folder, env=clean, capture_output=True, text=True, check=False, **who
        )
        assert made.returncode == 0, made.stderr
        port = free_port()
        settings = [
            "listen_addresses=127.0.0.1",
            f"port={port}",
            f"unix_socket_directories={folder}",
            "fsync=off",
        ]
        settings += [
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_connections=20",
            "shared_buffers=16MB",
        ]
        start = [
            found / "postgres",
            "-D",
            data,
            *(part for setting in settings for part in ("-c", setting)),
        ]
        with (
            log.open("wb") as written,
            subprocess.Popen(
                start, cwd=folder, env=clean, stdout=written, stderr=written, **who
            ) as process,
        ):
            try:
                running = Server(port, folder, log)
                wait_for(running, process)
                yield running
            finally:
                end(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()


def wait_for(server: Server, process: subprocess.Popen) -> None:
    import psycopg

    until = time.monotonic() + 30
    while True:
        try:
            with server.owner("postgres"):
                return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"PostgreSQL did not start: {error}\n{server.log.read_text()}")
            time.sleep(0.05)
