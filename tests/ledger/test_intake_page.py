"""The page on ledgers says every option and every format, and its own format reads."""

import dataclasses
import re

from conftest import ROOT

import nrrsim as nr
from nrrsim.ledger.exports import formats
from nrrsim.ledger.reading import Reading

PAGE = (ROOT / "nrrsim" / "ledger" / "README.md").read_text(encoding="utf-8")


def test_each_option_stands_there_with_its_key():
    told = dict(re.findall(r"^\| `--([a-z-]+)` \| `([a-z_]+)` \|", PAGE, re.MULTILINE))
    names = [field.name for field in dataclasses.fields(Reading)]
    assert list(told.values()) == names
    assert [each.replace("-", "_") for each in told] == ["column", *names[1:]]


def test_each_format_stands_there_and_is_listed(run):
    told = dict(re.findall(r"^\| `([a-z][a-z-]*)` \| ([^|]+) \|", PAGE, re.MULTILINE))
    assert {name: each.title for name, each in formats().items()} == told
    code, out, _ = run("formats")
    assert code == 0
    assert all(f"{name}: {each.title}" in out for name, each in formats().items())


def test_the_format_of_ones_own_reads(write):
    text = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]
    rows = ["Kunde;Vertrag;Stichtag;Umsatz", "A;1;31.12.2024;1.000,00", "A;2;31.12.2024;500,00"]
    ledger = nr.read_ledger(
        write("\n".join(rows) + "\n", "a.csv"), format=str(write(text, "mine.yaml"))
    )
    assert ledger.customers("2024-12")["arr"].tolist() == [18_000]


def test_a_format_is_refused_with_its_line(write, run):
    path = write("title: A\nsource: B\nshapes:\n  - rows: weeks\n", "mine.yaml")
    ledger = write("customer,month,mrr\nA,2024-12,1\n", "a.csv")
    code, _, err = run("check", ledger, "--format", path)
    assert code == 2
    assert "mine.yaml:4:" in err
    assert "rows" in err
    assert run("check", ledger, "--format", "strip")[0] == 2
