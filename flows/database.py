"""What PostgreSQL and SQLite say differently, in one place, for the set-based statements of the hot path.

A statement is written once with these marks: ``{now}`` the bare database clock, ``{lock}`` and ``{skip}``
row locks (SQLite has one writer and needs none). Rows go in as one *source*: ``unnest`` of column arrays on
PostgreSQL, ``json_each`` on SQLite. Values are always parameters.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.utils import DatabaseError, OperationalError

type_names = {"id": "bigint", "int": "integer", "text": "text", "json": "jsonb", "time": "timestamptz"}
# SQLite has one writer: threads of one process queue here instead of spinning on the file's lock.
_sqlite_writer = threading.RLock()

# How long to wait before a transaction is tried again.
RETRY_SECONDS = (0.05, 0.2)
logger = logging.getLogger(__name__)

Row = tuple[Any, ...]
Query = tuple[str, Sequence[Any]]
T = TypeVar("T")


def is_postgres(alias: str = DEFAULT_DB_ALIAS) -> bool:
    return connections[alias].vendor == "postgresql"


@cache
def _marks(postgres: bool) -> dict[str, str]:
    if postgres:
        # Of the statement, not of the row: a stable function can be looked up in an index.
        return {"now": "statement_timestamp()", "lock": "FOR UPDATE", "skip": "FOR UPDATE SKIP LOCKED"}
    return {"now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f','now')", "lock": "", "skip": ""}


@cache
def _compiled(sql: str, postgres: bool) -> str:
    for mark, text in _marks(postgres).items():
        sql = sql.replace("{" + mark + "}", text)
    return sql


def later(seconds: str) -> str:
    """SQL for the bare database clock plus ``seconds`` (a number or a column, never user input)."""
    if is_postgres():
        return f"(statement_timestamp() + ({seconds}) * interval '1 second')"
    return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f','now',({seconds})||' seconds')"


def as_time(value: Any) -> datetime:
    """Read a time column of a raw row: an aware UTC datetime on both databases."""
    moment: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def as_json(value: Any) -> Any:
    """Read a JSON column of a raw row; both databases hand it over as text."""
    return json.loads(value) if isinstance(value, str | bytes) else value


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def dumps(value: Any) -> str:
    return _encoder.encode(value)


def time_text(value: datetime) -> str:
    """The form in which SQLite keeps a time, so that raw and ORM rows compare."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


class Cursor:
    """A raw cursor with server-side binding; statements carry the marks of this module."""

    def __init__(self, alias: str = DEFAULT_DB_ALIAS) -> None:
        connection = connections[alias]
        connection.ensure_connection()
        self._connection = connection
        self.postgres = connection.vendor == "postgresql"
        # Django hands out a client-side cursor; arrays pasted as text and re-parsed cost most of the time.
        self._raw: Any = psycopg.Cursor(connection.connection) if self.postgres else connection.cursor()

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Execute one statement and return the number of rows it touched."""
        sql = _compiled(sql, self.postgres)
        if self.postgres:
            # The errors of the driver become Django's, and a broken connection is noticed as one.
            with self._connection.wrap_database_errors:
                self._raw.execute(sql, params, prepare=True)
        else:
            self._raw.execute(sql, [time_text(p) if isinstance(p, datetime) else p for p in params])
        return int(self._raw.rowcount)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        self.run(sql, params)
        return list(self._raw.fetchall())

    def one(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        self.run(sql, params)
        row: Row | None = self._raw.fetchone()
        return row

    def together(self, *queries: Query) -> list[list[Row]]:
        """Run queries that need nothing of each other in one round trip; gives the rows of each."""
        if not self.postgres:
            return [self.rows(sql, params) for sql, params in queries]
        connection = self._connection.connection
        cursors = [psycopg.Cursor(connection) for _ in queries]
        with self._connection.wrap_database_errors:
            with connection.pipeline():
                for raw, (sql, params) in zip(cursors, queries, strict=True):
                    raw.execute(_compiled(sql, postgres=True), params, prepare=True)
            return [list(raw.fetchall()) for raw in cursors]

    @contextmanager
    def pipeline(self) -> Iterator[None]:
        """Send the statements of the block without waiting for each answer; none may read a result."""
        if not self.postgres:
            yield
            return
        with self._connection.wrap_database_errors, self._connection.connection.pipeline():
            yield

    def source(self, columns: dict[str, str], rows: Sequence[Sequence[Any]], alias: str = "v") -> "Source":
        """Give ``rows`` to a statement as a table named ``alias`` with ``columns`` (name -> kind)."""
        return Source(columns, rows, alias, postgres=self.postgres)

    def among(self, column: str, kind: str, values: Sequence[Any]) -> "Among":
        """A condition that ``column`` is one of ``values``."""
        return Among(column, kind, values, postgres=self.postgres)

    def insert(
        self,
        table: str,
        columns: dict[str, str],
        rows: Sequence[Sequence[Any]],
        tail: str = "",
        stamp: str = "",
    ) -> int:
        """Insert ``rows`` in one statement; ``tail`` is an ON CONFLICT or RETURNING clause, ``stamp`` a column that
        gets the bare database clock.
        """
        if not rows:
            return 0
        source = self.source(columns, rows)
        names = _names(columns)
        also, clock = (f', "{stamp}"', ", {now}") if stamp else ("", "")
        return self.run(
            f"INSERT INTO {table} ({names}{also}) SELECT {names}{clock} FROM {source.sql} WHERE true {tail}",
            source.params,
        )

    def insert_returning(
        self, table: str, columns: dict[str, str], rows: Sequence[Sequence[Any]], tail: str
    ) -> list[Row]:
        if not rows:
            return []
        self.insert(table, columns, rows, tail)
        return list(self._raw.fetchall())


class Source:
    def __init__(
        self, columns: dict[str, str], rows: Sequence[Sequence[Any]], alias: str, *, postgres: bool
    ) -> None:
        names = _names(columns)
        if postgres:
            arrays = ", ".join(f"%s::{_pg_type(kind)}[]" for kind in columns.values())
            self.sql = f"unnest({arrays}) AS {alias}({names})"
            values = zip(*rows, strict=True) if rows else [() for _ in columns]
            self.params: list[Any] = [
                _array(column, kind) for column, kind in zip(values, columns.values(), strict=True)
            ]
        else:
            picks = ", ".join(
                f"json_extract(value, '$[{i}]') AS \"{name}\"" for i, name in enumerate(columns)
            )
            self.sql = f"(SELECT {picks} FROM json_each(%s)) AS {alias}"
            self.params = [json.dumps([[_plain(v) for v in row] for row in rows])]


class Among:
    def __init__(self, column: str, kind: str, values: Sequence[Any], *, postgres: bool) -> None:
        if postgres:
            self.sql = f"{column} = ANY(%s::{_pg_type(kind)}[])"
            self.params: list[Any] = [_array(values, kind)]
        else:
            self.sql = f"{column} IN (SELECT value FROM json_each(%s))"
            self.params = [json.dumps([_plain(v) for v in values])]


def _array(values: Iterable[Any], kind: str) -> str:
    """A column as PostgreSQL writes arrays; the driver's own dumper took a fifth of a worker's time."""
    write = _element_writers.get(kind, str)
    return "{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


_element_writers: dict[str, Callable[[Any], str]] = {
    "text": _quoted,
    "json": _quoted,
    "time": lambda moment: f'"{moment.isoformat() if isinstance(moment, datetime) else moment}"',
}


def _names(columns: dict[str, str]) -> str:
    # Quoted, for "by" is a word of SQLite's.
    return ", ".join(f'"{name}"' for name in columns)


def _pg_type(kind: str) -> str:
    return type_names.get(kind, kind)


def _plain(value: Any) -> Any:
    return time_text(value) if isinstance(value, datetime) else value


@contextmanager
def write(alias: str = DEFAULT_DB_ALIAS) -> Iterator[Cursor]:
    """One write transaction: commits whole or not at all. Never hold it across a network call."""
    with _sqlite_writer if not is_postgres(alias) else nullcontext(), transaction.atomic(using=alias):
        yield Cursor(alias)


def again(work: Callable[[], T]) -> T:
    """Run ``work``, one transaction that may come twice, once more where the database was busy or two crossed.

    Raises: OperationalError after the last try.
    """
    for wait in RETRY_SECONDS:
        try:
            return work()
        except OperationalError:
            logger.warning("a transaction is tried again", exc_info=True)
            connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
            time.sleep(wait)
    return work()


def read(alias: str = DEFAULT_DB_ALIAS) -> Cursor:
    """A cursor outside any transaction, for probes and reads."""
    return Cursor(alias)


def now() -> datetime:
    """The bare database clock; leases and epochs use it, nothing compares two machines' clocks."""
    row = read().one("SELECT {now}")
    if row is None:  # pragma: no cover - a SELECT without FROM has one row
        raise DatabaseError("the database did not tell the time")
    return as_time(row[0])


def holds_alone(cursor: Cursor, name: str) -> bool:
    """Take the right to ``name`` until this write transaction ends; False while another has it.

    PostgreSQL frees it with the connection, so nobody waits for a process that died. SQLite has one writer.
    """
    row = cursor.one(*alone_query(cursor, name))
    return bool(row and row[0])


def alone_query(cursor: Cursor, name: str) -> Query:
    """What ``holds_alone`` asks, for a round trip with other questions."""
    if not cursor.postgres:
        return "SELECT 1", []
    return "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"whatsflow:{name}"]


def take_lease(name: str, holder: str, seconds: float) -> bool:
    """Take or renew the lease ``name``; False while another holder's lease lives."""
    with write() as cursor:
        until = later("%s")
        return (
            cursor.run(
                "INSERT INTO flows_lease (name, holder, until) VALUES (%s, %s, " + until + ")"
                " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
                " WHERE flows_lease.until < {now} OR flows_lease.holder = excluded.holder",
                [name, holder, seconds],
            )
            == 1
        )


def drop_lease(name: str, holder: str) -> None:
    with write() as cursor:
        cursor.run("DELETE FROM flows_lease WHERE name = %s AND holder = %s", [name, holder])
