"""Private database servers and an S3 on loopback, each made once per session, when first needed.

Each fixture gives the text for an ``AIRFLOW_CONN_…`` variable. A server that isn't installed is a skip at
home and a failure in CI.
"""

from __future__ import annotations

import glob
import importlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

BUCKET = "green-api"


@pytest.fixture(scope="session")
def postgres_connection() -> Iterator[str]:
    """An empty PostgreSQL, in a time zone of its own."""
    with postgres() as connection:
        yield connection


@contextmanager
def postgres(*settings: str) -> Iterator[str]:
    """Run an empty PostgreSQL with settings (``name=value``), and give the Airflow connection to it."""
    driver = _module("psycopg2", "psycopg2-binary")
    with _folder("postgres") as folder:
        port = free_port()
        command = postgres_command(folder, port, "timezone=Asia/Vladivostok", *settings)
        login = {"host": "127.0.0.1", "port": port, "user": "store", "dbname": "postgres"}
        quickly = signal.SIGINT  # on SIGTERM it waits for its clients
        with _running(command, folder, lambda: driver.connect(**login).close(), quickly):
            yield postgres_login(port)


def postgres_command(folder: Path, port: int, *settings: str) -> list[str]:
    """Make an empty PostgreSQL in a folder of its user's, and return the command that runs it."""
    program = program_of_postgres("postgres")
    user, data = _as_user("postgres"), f"{folder}/data"
    _run([*user, program_of_postgres("initdb"), "-D", data, "-U", "store", "-A", "trust", "-E", "UTF8"])
    options = ["-D", data, "-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1"]
    return [*user, program, *options, *(f"--{setting}" for setting in settings)]


def program_of_postgres(name: str) -> str:
    """Return where a program of PostgreSQL's package lies."""
    found = _program("postgres", "/usr/lib/postgresql/*/bin/postgres", "postgresql")
    return str(Path(found).resolve().parent / name)


def postgres_login(port: int, database: str = "postgres") -> str:
    """Return the Airflow connection to a database of a PostgreSQL here."""
    return _connection("postgres", port, database)


@pytest.fixture(scope="session")
def mariadb_connection() -> Iterator[str]:
    """An empty MariaDB, whose database is of an old character set, as many are."""
    driver = _module("MySQLdb", "mysqlclient")
    program = _program("mariadbd", "/usr/sbin/mariadbd", "mariadb-server")
    with _folder("mysql") as folder:
        user, port = _as_user("mysql"), free_port()
        # A server that starts removes temporary tables from its tmpdir, those of one being installed too.
        places = [f"--datadir={folder}/data", f"--tmpdir={folder}"]
        start = folder / "start.sql"
        start.write_text(
            "CREATE DATABASE store CHARACTER SET latin1;\n"
            "CREATE USER store@'%' IDENTIFIED BY 'secret';\n"
            "GRANT ALL ON *.* TO store@'%';\n"
        )
        _run([*user, "mariadb-install-db", "--no-defaults", *places, "--skip-test-db"])
        options = ["--no-defaults", *places, f"--port={port}", "--bind-address=127.0.0.1"]
        options += [f"--socket={folder}/socket", f"--init-file={start}", "--skip-name-resolve"]
        login = {"host": "127.0.0.1", "port": port, "user": "store", "password": "secret"}
        with _running([*user, program, *options], folder, lambda: driver.connect(**login).close()):
            yield _connection("mysql", port, "store")


@pytest.fixture(scope="session")
def s3_connection() -> Iterator[str]:
    """An S3 with the empty bucket ``green-api``."""
    _module("s3fs", "apache-airflow-providers-amazon[s3fs]")
    boto3 = _module("boto3", "boto3")
    moto = _module("moto.server", "moto[s3,server]")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
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


def _connection(kind: str, port: int, database: str) -> str:
    login = {"login": "store", "password": "secret", "schema": database}
    return json.dumps({"conn_type": kind, "host": "127.0.0.1", "port": port} | login)


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"pip install {package}")


def _program(name: str, pattern: str, package: str) -> str:
    """Return the newest server program of this name."""
    found = shutil.which(name) or max(glob.glob(pattern), default=None)
    return found or missing(f"apt-get install {package}")


def missing(remedy: str) -> NoReturn:
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"Needs: {remedy}")


def _as_user(name: str) -> list[str]:
    """Return what runs a program as the user of its package; both servers refuse to be root."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups"] if os.geteuid() == 0 else []


@contextmanager
def _folder(user: str) -> Iterator[Path]:
    """A folder that belongs to the server's user; pytest's own ones are closed to everybody else."""
    folder = Path(tempfile.mkdtemp(prefix=f"green-notify-{user}-"))
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
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
        # In a session of its own, a Ctrl-C in the terminal doesn't end it before its clients.
        server = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, start_new_session=True)
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
