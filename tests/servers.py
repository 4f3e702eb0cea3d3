"""Private database servers and an S3 on loopback, each made once per session, when first needed.

Each fixture gives the text for an ``AIRFLOW_CONN_…`` variable. A server that isn't installed is a skip at
home and a failure in CI.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BUCKET = "green-api"


@pytest.fixture(scope="session")
def postgres_connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty PostgreSQL."""
    psycopg2 = pytest.importorskip("psycopg2")
    program = _program("postgres", "/usr/lib/postgresql/*/bin/postgres")
    folder, user = _folder(tmp_path_factory, "postgres"), _as_user("postgres")
    data, port = folder / "data", _free_port()
    initdb = str(Path(program).parent / "initdb")
    _run([*user, initdb, "-D", str(data), "-U", "store", "-A", "trust", "-E", "UTF8"])
    command = [program, "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", folder]
    login = {"host": "127.0.0.1", "port": port, "user": "store", "dbname": "postgres"}
    quickly = signal.SIGINT  # on SIGTERM it waits for its clients
    with _running([*user, *map(str, command)], folder, lambda: psycopg2.connect(**login).close(), quickly):
        yield json.dumps(
            {
                "conn_type": "postgres",
                "host": "127.0.0.1",
                "port": port,
                "login": "store",
                "password": "secret",
                "schema": "postgres",
            }
        )


@pytest.fixture(scope="session")
def mariadb_connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty MariaDB, whose database is of an old character set, as many are."""
    driver = pytest.importorskip("MySQLdb")
    program = _program("mariadbd", "/usr/sbin/mariadbd")
    folder, user = _folder(tmp_path_factory, "mysql"), _as_user("mysql")
    data, port = folder / "data", _free_port()
    start = folder / "start.sql"
    start.write_text(
        "CREATE DATABASE store CHARACTER SET latin1;\n"
        "CREATE USER store@'%' IDENTIFIED BY 'secret';\n"
        "GRANT ALL ON *.* TO store@'%';\n"
    )
    _run([*user, "mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"])
    command = [program, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
    options = [f"--socket={folder}/socket", f"--init-file={start}", "--skip-name-resolve"]
    login = {"host": "127.0.0.1", "port": port, "user": "store", "password": "secret"}
    with _running([*user, *command, *options], folder, lambda: driver.connect(**login).close()):
        yield json.dumps(
            {
                "conn_type": "mysql",
                "host": "127.0.0.1",
                "port": port,
                "login": "store",
                "password": "secret",
                "schema": "store",
            }
        )


@pytest.fixture(scope="session")
def s3_connection() -> Iterator[str]:
    """An S3 with the empty bucket ``green-api``."""
    pytest.importorskip("s3fs")
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it logs each request
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "store", "aws_secret_access_key": "secret"}
    boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys).create_bucket(Bucket=BUCKET)
    yield json.dumps(
        {
            "conn_type": "aws",
            "login": "store",
            "password": "secret",
            "extra": {"endpoint_url": url, "region_name": "us-east-1"},
        }
    )
    server.stop()


def _program(name: str, pattern: str) -> str:
    """Return the newest server program of this name."""
    found = shutil.which(name) or max(glob.glob(pattern), default=None)
    if found is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing(f"{name} is not installed, on Debian: apt-get install {_PACKAGES[name]}")
    return found


_PACKAGES = {"postgres": "postgresql", "mariadbd": "mariadb-server"}


def _as_user(name: str) -> list[str]:
    """Return what runs a program as the user of its package; both servers refuse to be root."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups"] if os.geteuid() == 0 else []


def _folder(factory: pytest.TempPathFactory, user: str) -> Path:
    """Return a folder that belongs to the server's user, reachable from above."""
    folder = Path(os.path.realpath(factory.mktemp(user)))
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
        for above in (folder.parent, folder.parent.parent):
            above.chmod(above.stat().st_mode | 0o011)
    return folder


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _run(command: list[str]) -> None:
    outcome = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if outcome.returncode:
        pytest.fail(f"{command} failed: {outcome.stdout}")


@contextmanager
def _running(
    command: list[str], folder: Path, connect: Callable[[], None], stop: int = signal.SIGTERM
) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while not _works(connect):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The server did not start: {log.read_text()}")
            time.sleep(0.05)
        yield
    finally:
        server.send_signal(stop)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _works(connect: Callable[[], None]) -> bool:
    try:
        connect()
    except Exception:
        return False
    return True
