"""A ledger behind an address: the same as from CSV, nothing written, no secret told."""

import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql import PASSWORD, WRITTEN, Server, free_port, running_server

import nrrsim as nr

sqlalchemy = pytest.importorskip("sqlalchemy", reason="the extra sql is not installed")

CSV = """\
customer,month,mrr,segment
Müller & Söhne,2025-01,100.10,smb
Müller & Söhne,2025-02,110.35,smb
日本語株式会社,2025-01,50.00,mid
日本語株式会社,2025-02,0.01,mid
Q:1 100%,2025-02,12345678.99,enterprise
"""
QUERY = "select customer, month, mrr, segment from ledger"
OTHER = "wr0ng%2Fp%40ss"


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> nr.Ledger:
    path = tmp_path_factory.mktemp("csv") / "ledger.csv"
    path.write_text(CSV, encoding="utf-8")
    return nr.read_ledger(path)


def rows() -> list[list[str]]:
    return [line.split(",") for line in CSV.splitlines()[1:]]


# --- a PostgreSQL server of this test's own -------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        fill(running)
        yield running


def fill(server: Server) -> None:
    """The ledger of CSV in the types of a warehouse, and a reader who could write:
    it is nrrsim that does not.
    """
    from psycopg import sql

    with server.owner("postgres") as connection:
        connection.execute("create database finance")
    with server.owner() as connection:
        connection.execute(
            sql.SQL("create role reader login password {}").format(sql.Literal(PASSWORD))
        )
        connection.execute(
            "create table ledger (customer text, month text, mrr numeric(14, 2), segment varchar(20))"
        )
        with connection.cursor() as cursor:
            cursor.executemany("insert into ledger values (%s, %s, %s, %s)", rows())
        connection.execute("grant all on ledger to reader")


@pytest.fixture
def postgres(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("LEDGER_URL", server.url())
    return server


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "ledger.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "create table ledger (customer text, month text, mrr numeric, segment text)"
        )
        connection.executemany("insert into ledger values (?, ?, ?, ?)", rows())
        connection.commit()
    monkeypatch.setenv("LEDGER_URL", f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> object:
    """`env:LEDGER_URL` leads to each of the two in turn."""
    return request.getfixturevalue(request.param)


def read(query: str | None = QUERY, address: str = "env:LEDGER_URL") -> nr.Ledger:
    return nr.read_ledger(address, query=query)


# --- the same ledger ------------------------------------------------------------------------------


@pytest.mark.usefixtures("database")
def test_a_query_gives_the_ledger_of_the_csv(expected):
    ledger = read()
    assert ledger.fingerprint == expected.fingerprint
    assert nr.nrr(ledger.cohort("2025-02", 1)) == nr.nrr(expected.cohort("2025-02", 1))
    assert sorted(ledger.customers("2025-02").index) == [
        "Müller & Söhne",
        "Q:1 100%",
        "日本語株式会社",
    ]


@pytest.mark.usefixtures("database")
def test_the_rows_may_come_in_any_order(expected):
    assert read(f"{QUERY} order by mrr desc").fingerprint == expected.fingerprint


@pytest.mark.usefixtures("database")
def test_headings_are_mapped(expected):
    query = "select customer as account, month as period, mrr as fee, segment from ledger"
    columns = {"customer": "account", "month": "period", "mrr": "fee"}
    ledger = nr.read_ledger("env:LEDGER_URL", query=query, columns=columns)
    assert ledger.fingerprint == expected.fingerprint


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "condition", ["customer like '%100%'", "customer like 'Q:1 %'", "customer <> ':none'"]
)
def test_a_query_is_sent_as_it_is_written(condition):
    """Neither a colon nor a percent sign is a place for a parameter."""
    assert "Q:1 100%" in read(f"{QUERY} where {condition}").customers("2025-02").index


@pytest.mark.parametrize(
    "month",
    [
        "(month || '-01')::date",
        "(month || '-28 23:59:59.5')::timestamp",
        "(month || '-01 00:00:00+00')::timestamptz",
        "month::char(20)",
        "replace(month, '-0', 'Q')",
    ],
)
def test_dates_of_postgresql_are_months(postgres, expected, month):
    as_text = "Q" in month
    ledger = read(f"select customer, {month} as month, mrr, segment from ledger")
    assert ledger.months == (["2025-03", "2025-06"] if as_text else expected.months)
    assert as_text or ledger.fingerprint == expected.fingerprint


@pytest.mark.parametrize("amount", ["mrr", "mrr::float8", "mrr::text", "mrr::numeric(30, 10)"])
def test_amounts_of_postgresql_are_the_same_to_the_cent(postgres, expected, amount):
    ledger = read(f"select customer, month, {amount} as mrr, segment from ledger")
    assert ledger.fingerprint == expected.fingerprint


def test_numbers_name_customers_as_they_stand(postgres):
    query = "select {} as customer, '2025-01' as month, 1 as mrr, 'x' as segment"
    for number in ("1001", "1001::bigint", "1001::numeric(10, 0)", "'1001'"):
        assert list(read(query.format(number)).customers("2025-01").index) == ["1001"]


def test_subscription_periods_come_from_a_query_too(postgres):
    ledger = read(
        "select 'A' as customer, date '2025-01-01' as start, null::date as \"end\", 1200 as amount,"
        " 'year' as interval, 'smb' as segment union all"
        " select 'B', '2025-01-01', '2025-02-01', 50, 'month', 'smb' union all"
        " select 'C', '2025-03-01', null, 50, 'month', 'smb'"
    )
    assert ledger.customers("2025-01")["arr"].to_dict() == {"A": 1200.0, "B": 600.0}
    assert list(ledger.customers("2025-03").index) == ["A", "C"]


# --- what is wrong with the rows ------------------------------------------------------------------


@pytest.mark.usefixtures("database")
def test_nulls_are_findings_with_the_row_of_the_query():
    values = (
        "('A','2025-01',1,'x'), (null,'2025-01',1,'x'), ('B',null,1,'x'), ('C','2025-01',null,'x')"
    )
    values += ", ('D','2025-01',-1,'x'), ('E','2025-01',1,null)"
    query = f"with t (customer, month, mrr, segment) as (values {values}) select * from t"
    with pytest.raises(nr.DataError) as caught:
        read(query)
    found = [str(finding).partition(";")[0] for finding in caught.value.findings]
    assert [line.replace("-1.0", "-1").replace("Decimal('-1')", "-1") for line in found] == [
        "query:2: customer: is empty",
        "query:3: month: is empty",
        "query:4: mrr: is empty",
        "query:5: mrr: -1 is negative",
        "query:6: segment: is empty",
    ]


@pytest.mark.parametrize(
    "amount", ["'NaN'::numeric", "'NaN'::float8", "'Infinity'::float8", "'1_200'"]
)
def test_an_amount_that_is_none_is_a_finding(postgres, amount):
    with pytest.raises(nr.DataError, match="query:1: mrr: "):
        read(f"select 'A' as customer, '2025-01' as month, {amount} as mrr, 'x' as segment")


@pytest.mark.usefixtures("database")
def test_no_rows_and_no_columns_are_findings():
    with pytest.raises(nr.DataError, match="query: there are no rows"):
        read(f"{QUERY} where 1 = 0")
    with pytest.raises(nr.DataError, match="there is no column customer"):
        read("select month, mrr from ledger")
    with pytest.raises(nr.DataError, match="the heading month stands twice"):
        read("select customer, month, month, mrr from ledger")


# --- nothing is written ---------------------------------------------------------------------------

# What no database may run: each twelve, with what is said of it.
HOSTILE = {
    "postgres": {
        "commit; delete from ledger; select 1": "it holds 3 statements",
        "select 1 as customer; drop table ledger": "it holds 2 statements",
        "select 'a\\'; delete from ledger; --'": "it holds 2 statements",
        "delete from ledger returning customer, month, mrr, segment": "it is DELETE, not SELECT",
        "with gone as (delete from ledger returning *) select * from gone": "it runs DELETE inside WITH",
        "select * into copied from ledger": "it writes a table (INTO)",
        "select * from ledger for update": "it locks rows",
        "copy ledger to program 'cat > /dev/null'": "it is COPY, not SELECT",
        "do $$ begin delete from ledger; end $$": "it is DO, not SELECT",
        "select lo_from_bytea(0, 'x') as customer": "it calls lo_from_bytea",
        "select * from pg_catalog.\"pg_ls_dir\"('.') as t (customer)": "it calls pg_ls_dir",
        "select query_to_xml('delete from ledger', true, true, '') as customer": "it calls query_to",
    },
    "sqlite": {
        "pragma journal_mode = wal": "it is PRAGMA, not SELECT",
        "attach database '{folder}/new.db' as other": "it is ATTACH, not SELECT",
        "vacuum into '{folder}/new.db'": "it is VACUUM, not SELECT",
        "select 1 as customer; delete from ledger": "it holds 2 statements",
        "delete from ledger returning *": "it is DELETE, not SELECT",
        "update ledger set mrr = 1 returning *": "it is UPDATE, not SELECT",
        "replace into ledger values ('A', '2025-01', 1, 'x')": "it is REPLACE, not SELECT",
        "create table copied as select * from ledger": "it is CREATE, not SELECT",
        "with t as (select 1) insert into ledger select 1, 1, 1, 1": "it is INSERT, not SELECT",
        "select load_extension('{folder}/new.so') as customer": "it calls load_extension",
        "select writefile('{folder}/new.txt', 'x') as customer": "it calls writefile",
        "alter table ledger rename to gone": "it is ALTER, not SELECT",
    },
    "duckdb": {
        "select 1 as customer; delete from ledger": "it holds 2 statements",
        "copy ledger to '{folder}/new.csv'": "it is COPY, not SELECT",
        "attach '{folder}/new.db'": "it is ATTACH, not SELECT",
        "install httpfs": "it is INSTALL, not SELECT",
        "load httpfs": "it is LOAD, not SELECT",
        "drop table ledger": "it is DROP, not SELECT",
        "export database '{folder}/new'": "it cannot be read as duckdb's SQL at line 1",
        "set enable_external_access = true": "it is SET, not SELECT",
        "select * from read_text('/etc/hostname')": "it calls read_text",
        "select * from query('delete from ledger')": "it calls query",
        "create table copied as from ledger": "it is CREATE, not SELECT",
        "with gone as (delete from ledger returning *) select * from gone": "it runs DELETE inside WITH",
    },
}
ALL_HOSTILE = [(kind, query) for kind, queries in HOSTILE.items() for query in queries]


@pytest.fixture
def duckdb_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table ledger (customer text, month text, mrr decimal(14, 2), segment text)"
        )
        connection.executemany("insert into ledger values (?, ?, ?, ?)", rows())
    monkeypatch.setenv("LEDGER_URL", f"duckdb:///{path}")
    return path


def sums(folder: Path) -> dict[str, str]:
    """Each file of a folder with its SHA-256."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def fill_in(query: str, folder: Path) -> str:
    return query.replace("{folder}", str(folder))


@pytest.mark.parametrize("parsed", [True, False], ids=["parsed", "by the session alone"])
@pytest.mark.parametrize(("kind", "query"), ALL_HOSTILE)
def test_a_query_writes_nothing(request, tmp_path, monkeypatch, expected, kind, query, parsed):
    """Once refused as it is parsed; and once, without that, by the database's own means."""
    request.getfixturevalue({"duckdb": "duckdb_file"}.get(kind, kind))
    before = sums(tmp_path)
    if parsed:
        said = f"env:LEDGER_URL: the query is refused: {HOSTILE[kind][query]}"
        assert refused(query=fill_in(query, tmp_path)).startswith(said)
    else:
        monkeypatch.setattr("nrrsim.ledger.database.only_reads", lambda query, dialect: query)
        # what reads a server's catalogue, or makes XML of a query, only reads
        with contextlib.suppress(nr.NrrsimError):
            read(fill_in(query, tmp_path))
    assert sums(tmp_path) == before
    assert read().fingerprint == expected.fingerprint


def test_a_session_of_postgresql_is_read_only_twice(postgres, monkeypatch):
    """The transaction, and what any other transaction of the session would be."""
    asked = "select name as customer, '2025-01' as month, 1 as mrr from {} where setting = 'on'"
    settings = "(values ('one', current_setting('transaction_read_only')), ('two',"
    settings += " current_setting('default_transaction_read_only'))) as t (name, setting)"
    assert sorted(read(asked.format(settings)).customers("2025-01").index) == ["one", "two"]


# Ways to hide a function or a second statement from who reads the text.
HIDDEN = [
    "select U&\"pg\\005fread_file\"('/etc/hostname') as customer",
    "select PG_CATALOG . Pg_Read_File ('/etc/hostname') as customer",
    "select 1 as customer -- \r, pg_read_file('/etc/hostname') as month",
    "select 1 as customer /* /* */ */; delete from ledger",
    "select * from rows from (pg_ls_dir('.')) as t (customer)",
    "select 1 as customer where exists (select from dblink('', 'delete from ledger') as t (a int))",
    "select array(select pg_terminate_backend(0)) as customer",
    "with a as (with b as (insert into ledger values ('A')) select 1) select * from a",
    "select case when true then set_config('transaction_read_only', 'off', true) end as customer",
    "((select 1 as customer) union all (select 2 from ledger for share))",
    "select customer, sum(mrr) over (order by pg_sleep(60)) from ledger",
    "select 1 as customer\x00; delete from ledger",
]


@pytest.mark.parametrize("query", HIDDEN)
def test_what_is_hidden_is_found(postgres, expected, query):
    assert refused(query=query).startswith("env:LEDGER_URL: the query is refused: ")
    assert read().fingerprint == expected.fingerprint


LEGITIMATE = [
    "select customer, month, mrr, segment from ledger;",
    "  ;; select * from ledger -- all of it\n;\n-- the end",
    "/* the ledger; not more: */ select * from ledger where customer <> ';delete from ledger'",
    "with base as (select * from ledger), rest as (select * from base) select * from rest",
    "select customer, month, sum(mrr) over (partition by customer, month) as mrr, segment from ledger",
    "select * from ledger where mrr > 100 union all select * from ledger where mrr <= 100",
    'select customer, month, mrr, segment from (select *, 1 as "into", 2 as "delete" from ledger) t'
    ' where "into" < "delete"',
    "select * from ledger where customer like '%' or customer like '100%' order by 1",
    "select customer, month, case when mrr is null then 0 else mrr end as mrr,"
    " coalesce(nullif(upper(segment), 'NONE'), 'x') as segment from ledger",
    "select customer, month, max(mrr) as mrr, min(segment) as segment from ledger"
    " group by customer, month having count(*) = 1",
    "select a.* from ledger a left join (select distinct customer from ledger) b"
    " on a.customer = b.customer where a.month in (select month from ledger)",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3)"
    " select l.* from ledger l join n on n.i = 2",
]


@pytest.mark.parametrize("kind", ["postgres", "sqlite", "duckdb_file"])
@pytest.mark.parametrize("query", LEGITIMATE)
def test_a_query_that_only_reads_is_run(request, kind, query):
    request.getfixturevalue(kind)
    ledger = read(query)
    assert ledger.months == ["2025-01", "2025-02"]
    assert ledger.customers("2025-02")["arr"].sum() == pytest.approx(12 * 12345789.35)


def test_duckdb_gives_the_ledger_of_the_csv(duckdb_file, expected):
    before = sums(duckdb_file.parent)
    assert read().fingerprint == expected.fingerprint
    assert sums(duckdb_file.parent) == before


def test_duckdb_knows_no_variable_of_this_process(duckdb_file):
    frame = [1, 2]  # noqa: F841 (DuckDB would find it by its name)
    assert "frame does not exist" in refused(query="select * from frame")
    assert "does not exist" in refused(query="select * from '/etc/hostname'")


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("content", [b"", b"customer,month\n", b"\x00" * 8192])
def test_a_file_that_is_no_database(tmp_path, monkeypatch, kind, content):
    (tmp_path / "ledger.db").write_bytes(content)
    monkeypatch.setenv("LEDGER_URL", f"{kind}:///{tmp_path}/ledger.db")
    assert "the query failed: " in refused()
    assert sums(tmp_path) == {"ledger.db": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize(
    "path", ["", "/:memory:", "/{folder}", "/{folder}/none.db", "/{folder}/fifo"]
)
def test_a_database_is_a_file(tmp_path, monkeypatch, kind, path):
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setenv("LEDGER_URL", f"{kind}://{fill_in(path, tmp_path)}")
    assert "there is no such file" in refused()


@pytest.mark.parametrize(("kind", "needed"), [("snowflake", "USAGE"), ("bigquery", "Data Viewer")])
def test_where_a_session_can_write_the_role_is_told(monkeypatch, kind, needed):
    """Without the driver: what is parsed is parsed before it is looked for."""
    monkeypatch.setenv("LEDGER_URL", f"{kind}://reader@account/finance")
    said = refused(query="delete from ledger")
    assert "the query is refused: it is DELETE" in said
    assert needed in said
    assert f"the driver for {kind} is not installed" in refused()


def test_a_database_file_that_is_not_there_is_not_made(tmp_path, monkeypatch):
    monkeypatch.setenv("LEDGER_URL", f"sqlite:///{tmp_path}/nothing.db")
    with pytest.raises(
        nr.UsageError, match="env:LEDGER_URL: there is no such file; check the path"
    ):
        read()
    assert list(tmp_path.iterdir()) == []


def test_a_reading_leaves_the_file_as_it_was(sqlite):
    before = sqlite.read_bytes()
    read()
    assert sqlite.read_bytes() == before
    assert [path.name for path in sqlite.parent.iterdir()] == [sqlite.name]


def test_no_connection_is_left_open(postgres):
    read()
    with pytest.raises(nr.UsageError):
        read("select nonsense")
    until = time.monotonic() + 10
    with postgres.owner() as connection:
        count = "select count(*) from pg_stat_activity where usename = 'reader'"
        while connection.execute(count).fetchone()[0] and time.monotonic() < until:
            time.sleep(0.05)
        assert connection.execute(count).fetchone()[0] == 0


# --- what is told, and what is not ----------------------------------------------------------------


def told(error: BaseException) -> str:
    """All that a person may get to see of an error."""
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])


def secrets() -> list[str]:
    """The passwords, as they are and as they are written in an address, and pieces of them."""
    return [PASSWORD, WRITTEN, OTHER, "s3cret", "wr0ng", "p@ss", "p%40ss"]


def refused(address: str = "env:LEDGER_URL", query: str | None = QUERY) -> str:
    with pytest.raises(nr.UsageError) as caught:
        nr.read_ledger(address, query=query)
    assert not [secret for secret in secrets() if secret in told(caught.value)]
    return str(caught.value)


def test_a_missing_query_has_a_remedy(monkeypatch):
    monkeypatch.setenv("LEDGER_URL", f"postgresql://reader:{WRITTEN}@127.0.0.1/finance")
    said = (
        "env:LEDGER_URL: a database needs a query, such as: select customer, month, mrr from ledger"
    )
    assert refused(query=None) == said
    assert refused(query="") == said


def test_a_query_for_a_file_has_a_remedy(write):
    with pytest.raises(
        nr.UsageError, match="a query needs a database address, such as env:LEDGER_URL"
    ):
        nr.read_ledger(write(CSV), query=QUERY)


@pytest.mark.parametrize("set_to", [None, "", "  "])
def test_a_missing_variable_is_named(monkeypatch, set_to):
    monkeypatch.delenv("LEDGER_URL", raising=False)
    if set_to is not None:
        monkeypatch.setenv("LEDGER_URL", set_to)
    assert (
        refused()
        == "the environment variable LEDGER_URL is not set; it should hold the database address"
    )


@pytest.mark.parametrize("query", [QUERY, None])
@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://reader:{WRITTEN}@127.0.0.1/finance",
        "postgresql://reader:s3cret/p@127.0.0.1/finance",
        "postgresql://:s3cret@127.0.0.1/finance",
        "postgres://127.0.0.1/finance?user=reader&password=s3cret",
        "snowflake://127.0.0.1/finance?token=s3cret",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Dreader%3BPWD%3Ds3cret",
    ],
)
def test_a_password_in_an_address_is_refused(address, query):
    said = refused(address, query)
    assert (
        said
        == "the database address holds a password; put it into an environment variable and give env:NAME"
    )


UNREADABLE = [
    "postgresql://reader:s3cret:p@ss@127.0.0.1/finance",
    "postgresql://reader:wr0ng@s3cret/p@127.0.0.1/finance",
    "postgresql://reader:s3cret@127.0.0.1:wr0ng/finance",
]


@pytest.mark.parametrize("written", [*UNREADABLE, "reader:s3cret@127.0.0.1/finance", "s3cret"])
def test_an_address_that_cannot_be_read_is_not_shown(monkeypatch, written):
    monkeypatch.setenv("LEDGER_URL", written)
    assert refused().startswith(
        "env:LEDGER_URL cannot be read; write it as postgresql://user:password@host"
    )


@pytest.mark.parametrize("written", UNREADABLE)
def test_nor_is_one_that_was_given_directly(written):
    assert refused(written).startswith(
        "the database address cannot be read; write it as postgresql://"
    )


def test_a_wrong_password(postgres, monkeypatch):
    monkeypatch.setenv("LEDGER_URL", postgres.url(password=OTHER))
    assert "password authentication failed" in refused()


def test_a_password_is_masked_where_the_database_repeats_it(postgres):
    assert "***" in refused(query=f"select '{PASSWORD}'::int")


def test_a_wrong_host_port_or_database(postgres, monkeypatch):
    monkeypatch.setenv("LEDGER_URL", postgres.url(host="nowhere.invalid"))
    assert "nowhere.invalid" in refused()
    monkeypatch.setenv(
        "LEDGER_URL", postgres.url().replace(f":{postgres.port}/", f":{free_port()}/")
    )
    assert "refused" in refused()
    monkeypatch.setenv("LEDGER_URL", postgres.url(database="nothing"))
    assert '"nothing" does not exist' in refused()


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("query", ["select * from nothing", "select customer from ledger having"])
def test_a_wrong_query(query):
    assert refused(query=query).startswith("env:LEDGER_URL: the query ")


@pytest.mark.usefixtures("database")
def test_a_query_that_is_no_sql():
    said = refused(query="select customer from ledger where")
    assert said.startswith("env:LEDGER_URL: the query is refused: it cannot be read as ")
    assert "a view in the database can" in said
    assert "\x1b" not in said
    assert "the query is refused: it is " in refused(query="not sql")


@pytest.mark.parametrize("kind", ["mysql", "mssql+pyodbc", "oracle", "redshift", "nonsense"])
def test_a_database_without_a_session_that_cannot_write(monkeypatch, kind):
    monkeypatch.setenv("LEDGER_URL", f"{kind}://reader:{WRITTEN}@127.0.0.1/finance")
    said = refused()
    assert f"a database of the kind {kind.partition('+')[0]} is not read" in said
    assert "export the ledger to a CSV or Parquet file" in said


# --- on the command line --------------------------------------------------------------------------


@pytest.fixture
def check(run):
    """`nrrsim check` of an address in this process; no secret is told."""

    def _check(address: str = "env:LEDGER_URL", query: str = QUERY) -> tuple[int, str, str]:
        code, out, err = run("check", address, "--query", query)
        assert not [secret for secret in secrets() if secret in out + err]
        return code, out, err

    return _check


def test_check_reads_a_database(postgres):
    """In a process of its own, as it is installed."""
    words = [Path(sys.executable).with_name("nrrsim"), "check", "env:LEDGER_URL", "--query", QUERY]
    ran = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "no errors" in ran.stdout
    assert not [secret for secret in secrets() if secret in ran.stdout]


@pytest.mark.parametrize(
    ("password", "query", "code", "said"),
    [
        (OTHER, QUERY, 2, "password authentication failed"),
        (WRITTEN, "select * from nothing", 2, "does not exist"),
        (
            WRITTEN,
            "select null as customer, '2025-01' as month, 1 as mrr",
            3,
            "query:1: customer: is empty",
        ),
    ],
)
def test_check_tells_no_secret(postgres, monkeypatch, check, password, query, code, said):
    monkeypatch.setenv("LEDGER_URL", postgres.url(password=password))
    monkeypatch.setenv("NRRSIM_DEBUG", "1")
    left, out, err = check(query=query)
    assert left == code
    assert said in out + err


def test_check_refuses_a_password_on_the_command_line(server, check):
    code, _, err = check(server.url())
    assert code == 2
    assert "give env:NAME" in err
