"""An address and a query in, the rows it finds out; never writes, and never shows a secret.

A session is opened that cannot write, by the means that the database has for it. One without such
means is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nrrsim.errors import UsageError
from nrrsim.files import quiet_database, to_install
from nrrsim.ledger.query import OFF, REMEDY, SWITCH, calls_forbidden, only_reads

if TYPE_CHECKING:
    import duckdb
    from sqlalchemy import URL, Connection
    from sqlglot import exp

SECRET = re.compile(
    r"passw(or)?d|pwd|passphrase|passcode|token|secret|credential|private_?key", re.IGNORECASE
)
# The databases that are read, by SQLAlchemy's name, with sqlglot's name of their SQL.
DIALECTS = {
    "postgresql": "postgres",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
}
# What only the database's own administrator can see to, as no session of theirs is read-only.
ROLES = {
    "snowflake": "a role with USAGE on the ledger's schema, SELECT on its table, and no more",
    "bigquery": "an account that is BigQuery Data Viewer of the dataset and Job User, and no more",
}
CELLS_A_TEXT = 8  # at the least, of a column that is numbered: of fewer a number is no gain
FEW_TEXTS = 1_000  # are always numbered
BLOCKS_AT_ONCE = 500  # of 2,048 rows
DUCKDB_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",  # no file but its own, no other database, no network
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # a table is not a variable of this process
}


NAME = r'(?:"(?:[^"\x00-\x1f]|"")+"|[^\W\d][\w$-]*)'  # in a table's name
# What the cells of a column are, by what the databases that are read call its type.
KINDS = {
    "text": r"(VAR|N|NVAR|BP)?CHAR(ACTER)?( VARYING)?(\(.*\))?( COLLATE .*)?|TEXT|STRING|NAME",
    "whole": r"U?(TINY|SMALL|BIG|HUGE|BYTE)?INT(EGER|4|8|64)?|(DECIMAL|NUMERIC)\(\d+, ?0\)",
    "number": r"(BIG)?(DECIMAL|NUMERIC)(\(.*\))?|DOUBLE([ _]PRECISION)?|FLOAT\d*(\(.*\))?|REAL",
    "date": r"DATE|DATETIME|TIMESTAMP(_NTZ|_S|_MS|_NS)?(\(\d*\))?( WITHOUT TIME ZONE)?",
}
INSTANT = ("bigquery", "TIMESTAMP")


@dataclass(frozen=True)
class Headings:
    """A table's columns: `kinds` has what the cells of each are: text, whole, number, date, or the
    database's own word for another type.

    `dialect` is sqlglot's name of the database, `table` the table's exact name, `role` the one that
    a session needs, or "".
    """

    dialect: str
    table: exp.Table
    kinds: dict[str, str]
    role: str


@dataclass(frozen=True)
class Found:
    """What a query found: a frame under the query's headings; `role` is the one it needs, or ""."""

    frame: pd.DataFrame
    role: str


def read_query(address: str, query: str | None) -> Found:
    """What a query finds, sent as it is written, in a session that cannot write.

    Raises UsageError for an address that cannot be read or holds a password, a database that has no
    such session, a query that does more than read, and what the database says no to.
    """
    url, secrets, backend = _database(address)
    if not query:
        raise UsageError(
            f"{address}: a database needs a query, such as: select customer, month, mrr from ledger"
        )
    try:
        statement = only_reads(query, DIALECTS[backend])
    except ValueError as why:
        role = f"; let {address} log in with {ROLES[backend]}" if backend in ROLES else ""
        raise UsageError(f"{address}: the query is refused: {why}; {REMEDY}{role}") from None

    read = {"sqlite": _from_sqlite, "duckdb": _from_duckdb}.get(backend, _from_server)
    with _without_secrets(address, secrets):
        frame = read(url, statement)
    return Found(frame, ROLES.get(backend, ""))


def read_headings(address: str, table: str) -> Headings:
    """The columns of a table in a warehouse, each with the kind of its cells; no row is read.

    table : its name, with those of its schema and catalogue before it where it needs them, as SQL
        has them: `finance.ledger`, or `"Finance"."Ledger"` where the case counts.

    Raises UsageError as `read_query`, and for a table that is not there.
    """
    url, secrets, backend = _database(address)
    parts = _parts_of(table)
    if backend == "sqlite":
        raise UsageError(
            f"{address}: SQLite has no types to compute by; a file on this machine is read with"
            " --query"
        )
    with _without_secrets(address, secrets):
        read = _headings_of_duckdb if backend == "duckdb" else _headings_of_server
        name, kinds = read(url, parts, DIALECTS[backend])
    return Headings(DIALECTS[backend], name, kinds, ROLES.get(backend, ""))


@contextmanager
def _without_secrets(address: str, secrets: list[str]) -> Iterator[None]:
    """Within it an error names the address, and what a driver says shows no password."""
    try:
        yield
    except UsageError as error:
        said = str(error)
        for secret in secrets:
            said = said.replace(secret, "***")
        raise UsageError(f"{address}: {said}") from None


def _database(address: str) -> tuple[URL, list[str], str]:
    """The address, the secrets in it, and the database's kind; raises UsageError if not read."""
    if os.environ.get(SWITCH) == OFF:
        raise UsageError(
            f"the address of a database: none is read here ({SWITCH}={OFF}); export the ledger to a"
            " CSV or Parquet file and give that"
        )
    try:
        import sqlalchemy  # noqa: F401
        import sqlglot  # noqa: F401
    except ImportError:
        raise UsageError(
            f"reading from a database needs the extra sql: {to_install('sql')}"
        ) from None
    url, secrets = _address(address)
    backend = url.get_backend_name()
    if backend not in DIALECTS:
        raise UsageError(
            f"{address}: a database of the kind {backend} is not read, as nrrsim knows no session"
            " of it that cannot write; export the ledger to a CSV or Parquet file and give that"
            f" (databases that are read: {', '.join(DIALECTS)})"
        )
    return url, secrets, backend


# --- what a table's columns hold ------------------------------------------------------------------


def _parts_of(table: str) -> list[tuple[str, bool]]:
    """The names in a table's name, each with whether it stood in quotes; UsageError for none."""
    found = re.fullmatch(rf"{NAME}(\.{NAME}){{0,2}}", table.strip())
    if not found:
        raise UsageError(
            f"--table: {table!a} is no name of a table; write it as ledger, as finance.ledger or,"
            ' with what is no letter, as finance."ARR ledger"'
        )
    names = re.findall(NAME, table)
    return [
        (name[1:-1].replace('""', '"'), True) if name.startswith('"') else (name, False)
        for name in names
    ]


def _exactly(parts: list[tuple[str, bool]], dialect: str) -> exp.Table:
    """A table's name in quotes, its letters as the database has them where none were written."""
    from sqlglot import exp
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

    names = [exp.to_identifier(name, quoted=quoted) for name, quoted in reversed(parts)]
    table = exp.Table(**dict(zip(("this", "db", "catalog"), names, strict=False)))
    for name in normalize_identifiers(table, dialect=dialect).find_all(exp.Identifier):
        name.set("quoted", True)
    return table


def _headings_of_duckdb(
    url: URL, parts: list[tuple[str, bool]], dialect: str
) -> tuple[exp.Table, dict[str, str]]:
    import duckdb

    table = _exactly(parts, dialect)
    try:
        with _duckdb_session(url) as connection:
            found = connection.sql(f"select * from {table.sql(dialect)} limit 0")
            kinds = [_kind(str(kind)) for kind in found.types]
            return table, dict(zip(found.columns, kinds, strict=True))
    except duckdb.Error as error:
        raise _failed(error) from None


def _headings_of_server(
    url: URL, parts: list[tuple[str, bool]], dialect: str
) -> tuple[exp.Table, dict[str, str]]:
    import sqlalchemy
    from sqlalchemy.exc import NoSuchTableError

    table = _exactly(parts, dialect)
    with _server_session(url) as connection:
        # SQLAlchemy writes a name whose case does not count in small letters
        small, large = (
            connection.dialect.normalize_name,
            connection.dialect.denormalize_name,
        )
        names = [
            small(part.name) if connection.dialect.requires_name_normalize else part.name
            for part in table.parts
        ]
        try:
            columns = sqlalchemy.inspect(connection).get_columns(
                str(names[-1]), schema=".".join(map(str, names[:-1])) or None
            )
        except NoSuchTableError:
            raise UsageError(
                f"there is no table {'.'.join(part.name for part in table.parts)}, or this user may"
                " not see it"
            ) from None
        spelt = large if connection.dialect.requires_name_normalize else str
        return table, {
            str(spelt(each["name"])): _kind_of(each["type"], dialect) for each in columns
        }


def _kind_of(kind: object, dialect: str) -> str:
    """What the cells of a column of one of SQLAlchemy's types are."""
    # BigQuery's timestamp is an instant, its datetime a day and a time
    is_instant = getattr(kind, "timezone", False) or (dialect, str(kind)) == INSTANT
    return _kind(str(kind) + " WITH TIME ZONE" * bool(is_instant))


def _kind(name: str) -> str:
    """What the cells of a type are, by its name in any of the databases that are read."""
    for kind, names in KINDS.items():
        if re.fullmatch(names, name, re.IGNORECASE):
            return kind
    return name


def _from_sqlite(url: URL, query: str) -> pd.DataFrame:
    import sqlite3

    allowed = {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_FUNCTION,
    }

    def permit(action: int, _: str | None, name: str | None, *__: str | None) -> int:
        forbidden = action == sqlite3.SQLITE_FUNCTION and calls_forbidden(str(name))
        fine = action in allowed and not forbidden
        return sqlite3.SQLITE_OK if fine else sqlite3.SQLITE_DENY

    try:
        file = f"{_database_file(url).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(file, uri=True)) as connection:
            connection.set_authorizer(permit)
            cursor = connection.execute(query)
            headings = [column[0] for column in cursor.description]
            return pd.DataFrame(cursor.fetchall(), columns=pd.Index(headings), dtype=object)
    except sqlite3.Error as error:
        raise _failed(error) from None


def _from_duckdb(url: URL, query: str) -> pd.DataFrame:
    import duckdb

    try:
        with _duckdb_session(url) as connection:
            # DuckDB runs all that stands in a text, one after the other: its own parser counts, too
            [statement] = connection.extract_statements(query)
            if statement.type != duckdb.StatementType.SELECT:
                raise UsageError(f"the query is refused: it is no SELECT; {REMEDY}")
            return exact_frame(connection.sql(query))
    except (duckdb.Error, ValueError) as error:  # a text of several statements is no Error
        raise _failed(error) from None


@contextmanager
def _duckdb_session(url: URL) -> Iterator[duckdb.DuckDBPyConnection]:
    file = _database_file(url)
    with quiet_database(str(file), read_only=True, config=DUCKDB_SETTINGS) as connection:
        # a month must not depend on where the machine stands
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set lock_configuration = true")
        yield connection


def exact(found: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """A relation with text where a float would round.

    An id of 19 digits beside an empty cell would become a float, and two customers one.
    """

    def written(heading: str, kind: str) -> str:
        name = quoted(heading)
        if re.fullmatch(r"U?(BIG|HUGE)INT|DECIMAL\(\d+,0\)", kind):
            return f"{name}::varchar as {name}"
        if kind.startswith("DECIMAL"):
            return f"rtrim(rtrim({name}::varchar, '0'), '.') as {name}"
        return f"{name}::varchar as {name}" if kind.startswith("ENUM") else name

    kinds = map(str, found.types)
    columns = [written(heading, kind) for heading, kind in zip(found.columns, kinds, strict=True)]
    return found.project(", ".join(columns))


def exact_frame(found: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    """The rows of a relation, text where a float would round."""
    frame: pd.DataFrame = exact(found).df()
    return frame


def numbered_frame(found: duckdb.DuckDBPyRelation, con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The rows of a relation of `con` that can be asked again and again, text as categories.

    A ledger of a million rows has a few thousand texts: DuckDB hands over each of them once, and
    of each cell a number. A column of which most cells are their own stays text.
    """
    found.create_view("found")
    columns = {name: quoted(name) for name in found.columns}
    kinds = zip(columns.items(), map(str, found.types), strict=True)
    texts = {heading: name for (heading, name), kind in kinds if kind == "VARCHAR"}
    counts = ["count(*)", *(f"approx_count_distinct({name})" for name in texts.values())]
    [(rows, *distinct)] = found.aggregate(", ".join(counts)).fetchall()
    few = max(rows // CELLS_A_TEXT, FEW_TEXTS)
    categories = dict[str, pd.Index]()
    for place, ((heading, name), number) in enumerate(zip(texts.items(), distinct, strict=True)):
        if number <= few:
            each = f"select distinct {name} as text from found where {name} is not null order by 1"
            con.execute(f"create temp table texts_of_{place} as {each}")
            texts_of = con.execute(f"select text from texts_of_{place}").fetchnumpy()["text"]
            con.execute(f"create temp type texts_{place} as enum (from texts_of_{place})")
            categories[heading] = pd.Index(texts_of, dtype="str")
            short = np.min_scalar_type(-max(len(categories[heading]), 1)).itemsize
            code = f"enum_code({name}::texts_{place})::int{short}"
            columns[heading] = f"coalesce({code}, -1::int{short}) as {name}"

    # each column is laid out once, and filled as its cells come: nothing large is held twice
    query = con.execute(f"select {', '.join(columns.values())} from found")
    begin, parts = 0, list[pd.DataFrame]()
    part = query.fetch_df_chunk(BLOCKS_AT_ONCE)
    told = [name for name in columns if name in categories or _tells_its_kind(part[name])]
    laid: dict[str, Any] = {name: np.empty(rows, part[name].to_numpy().dtype) for name in told}
    while len(part) or not parts:
        for name, whole in laid.items():
            whole[begin : begin + len(part)] = part.pop(name).to_numpy()
        begin += len(part)
        parts.append(part)
        part = query.fetch_df_chunk(BLOCKS_AT_ONCE)
    cells = dict[str, Any]()
    for heading in columns:
        if heading in categories:
            kind = pd.CategoricalDtype(categories[heading])
            cells[heading] = pd.Categorical.from_codes(laid[heading], dtype=kind, validate=False)
        elif heading in laid:
            cells[heading] = laid[heading]
        else:  # text is of objects in a part in which no cell holds anything
            others = [part.pop(heading) for part in parts]
            cells[heading] = pd.concat(others).infer_objects().array
    return pd.DataFrame(cells, copy=False)


def _tells_its_kind(cells: pd.Series) -> bool:
    """Whether a part tells of what kind all of them are: a float or a day has a sign for null."""
    return cells.dtype.kind in "fM" and isinstance(cells.dtype, np.dtype)


def quoted(heading: str) -> str:
    """A column's name as SQL has it."""
    return '"' + heading.replace('"', '""') + '"'


def literal_path(path: Path) -> str:
    """DuckDB reads `*` and `[` in a path as a pattern; a file may be called so."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _from_server(url: URL, query: str) -> pd.DataFrame:
    with _server_session(url) as connection:
        result = connection.exec_driver_sql(query)
        headings = pd.Index(list(map(str, result.keys())))
        return pd.DataFrame(result.fetchall(), columns=headings, dtype=object)


@contextmanager
def _server_session(url: URL) -> Iterator[Connection]:
    """A session that only reads; what the database says no to becomes a UsageError."""
    import sqlalchemy
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    # without parameters a % in the query is a %
    how: dict[str, object] = {"no_parameters": True}
    connect: dict[str, str] = {}
    if url.get_backend_name() == "postgresql":
        url, given = url.set(drivername="postgresql+psycopg"), url.query.get("options", "")
        settings = "-c default_transaction_read_only=on -c standard_conforming_strings=on"
        connect["options"] = f"{given} {settings}".strip()
        # the query of a cursor is one SELECT, says PostgreSQL, too
        how |= {"postgresql_readonly": True, "stream_results": True}
    try:
        engine = sqlalchemy.create_engine(
            url, poolclass=sqlalchemy.NullPool, connect_args=connect, execution_options=how
        )
        with engine.connect() as connection:
            yield connection
    except (ImportError, NoSuchModuleError):
        raise UsageError(
            f"the driver for {url.drivername} is not installed; pip install it"
        ) from None
    except (SQLAlchemyError, UnicodeError) as error:  # UnicodeError: of a host that is none
        raise _failed(getattr(error, "orig", None) or error) from None


def _failed(error: BaseException) -> UsageError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return UsageError(f"the query failed: {reason}")


def _database_file(url: URL) -> Path:
    """The file of a database that is one; raises UsageError if it is none."""
    path = Path(url.database or "")
    if not path.is_file():
        raise UsageError("there is no such file; check the path and the folder it is given from")
    return path


def _address(address: str) -> tuple[URL, list[str]]:
    """The database address behind `env:NAME`, or the address itself, and the secrets in it.

    No message shows any of an address that may hold a secret, not even of one that cannot be read.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    given, text = "the database address", address
    if address.startswith("env:"):
        name = address.removeprefix("env:")
        given, text = address, os.environ.get(name, "").strip()
        if not text:
            raise UsageError(
                f"the environment variable {name} is not set; it should hold the database address"
            )

    try:
        url = make_url(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", text))
    except (ArgumentError, ValueError):
        url = None
    # a password with an @ of its own ends there, and its rest would be shown as the host
    if url is None or (url.password and "@" in f"{url.host}{url.database}"):
        raise UsageError(
            f"{given} cannot be read; write it as postgresql://user:password@host:5432/database,"
            " and in a password @ as %40, / as %2F, : as %3A"
        )

    queried = [(key, value) for key, values in url.normalized_query.items() for value in values]
    secrets = [value for key, value in queried if SECRET.search(f"{key}={value}")]
    secrets = [secret for secret in (str(url.password or ""), *secrets) if secret]
    if secrets and not address.startswith("env:"):
        raise UsageError(
            "the database address holds a password;"
            " put it into an environment variable and give env:NAME"
        )
    return url, secrets
