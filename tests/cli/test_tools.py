"""What an assistant says, whatever it is, becomes a command line that only asks, or an error."""

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nrrsim.cli import tools
from nrrsim.cli.commands import app
from nrrsim.errors import UsageError

KEYS = [key for tool in tools.offered(app) for key in tool["schema"]["properties"]]
SIGNS = st.characters(codec=None)  # half of a sign, too
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(SIGNS, max_size=20),
    st.sampled_from(["ledger.csv", "nrr-105", "2026-01", "110%", "--out=x", "-", "--", "a=b"]),
)
VALUES = st.one_of(
    PLAIN,
    st.lists(PLAIN, max_size=3),
    st.dictionaries(st.text(SIGNS, max_size=5), PLAIN, max_size=2),
)
ARGUMENTS = st.dictionaries(
    st.one_of(st.sampled_from(KEYS), st.text(max_size=9)), VALUES, max_size=6
)
REQUIRED = {"ledger": "ledger.csv", "scenario": "nrr-105", "a": "nrr-105", "b": "nrr-128"}
WITHHELD = r"--(out|multipliers|push-down|table|print-sql|query|threads|no-cache|quiet)(=.*)?"


@given(st.sampled_from(tools.COMMANDS), ARGUMENTS, st.booleans())
def test_whatever_is_said_only_asks(tmp_path_factory, name, said, is_whole):
    folder = tmp_path_factory.getbasetemp()
    own = next(each["schema"] for each in tools.offered(app) if each["name"] == name)
    if is_whole:
        said = {key: value for key, value in said.items() if key in own["properties"]}
        said = {key: REQUIRED[key] for key in own["required"]} | said
    words = words_or_error(name, said, folder)
    if words is None:
        return
    end = words.index("--")
    assert words[0] == name
    assert words[end - 1] == "--json"
    for option in words[1:end]:
        assert re.match(r"--[a-z][a-z-]*(=|$)", option), option
        assert not re.fullmatch(WITHHELD, option, re.DOTALL), option
    shlex.join(words).encode()  # can be shown, and sent


def words_or_error(name, said, folder):
    try:
        return tools.words_of(app, name, said, folder)
    except UsageError:
        return None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("--as-of: no such month", "as_of: no such month"),
        ("say --several add, or --price-month 2026-01", "say several add, or price_months 2026-01"),
        ("a column called x--out is no option", "a column called x--out is no option"),
        ("write --column customer=Account", "write columns customer=Account"),
    ],
)
def test_options_are_called_as_arguments_are(said, meant):
    assert tools.as_arguments(said) == meant


def test_true_and_false_are_words_where_the_command_has_words(tmp_path):
    said = {"ledger": "a.csv", "minor_units": True, "count": {"Paused": False}, "ex_price": False}
    words = tools.words_of(app, "metrics", said, tmp_path)
    assert sorted(words[1:4]) == ["--count=Paused=no", "--minor-units=yes", "--no-ex-price"]
    assert words[4:] == ["--json", "--", "a.csv"]


def test_no_default_is_stated_that_a_card_may_say_otherwise():
    for tool in tools.offered(app)[: len(tools.COMMANDS)]:
        for said in tool["schema"]["properties"].values():
            assert "default" not in said
