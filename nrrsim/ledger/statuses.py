"""Rows with a status or an item in, those that count out; never counts what was never paid.

A status is that of the day of the export: what is unpaid today was paid before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from nrrsim.ledger.columns import Table, rows_with
from nrrsim.ledger.dates import month_of_day
from nrrsim.ledger.reading import Reading, plain_word
from nrrsim.ledger.values import as_written, kept
from nrrsim.ledger.vocabulary import COUNTS, NEVER, STOPPED, plain
from nrrsim.months import last_day_number, month_name
from nrrsim.movements import CENT
from nrrsim.notation import counted

ENDED = ("canceled", "cancelled", "expired", "ended", "terminated")
RUNNING = ("active", "activated", "live")
ONE_OFF = (
    *("one time", "one off", "onetime", "setup", "set up", "onboarding", "professional services"),
    *("professional service", "implementation", "implementation services", "consulting services"),
    *("consulting", "migration services"),
)
MAY_BE_ONE_OFF = re.compile("|".join(sorted({each[:3] for each in ONE_OFF})), re.IGNORECASE)
MOST_WORDS = 5  # of one kind in a message


def counted_rows(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows that count: of a format's kinds and versions, ever paid for, and recurring.

    What is left out is said with its rows and amount, what is not known is asked. Where a row
    stopped before its end, `end` is the day on which it did.
    """
    frame = _of_the_kind(table, frame)
    frame = _latest(table, frame)
    words = _words(table, frame)
    if words is not None:
        frame = _ever_paid(table, frame, words, reading)
        words = words.loc[frame.index]
        if table.has_periods:
            frame = _stopped(table, frame, words, reading)
            frame = _ended(table, frame, words, reading)
    return _recurring(table, frame, reading)


def recorded_ends(table: Table, frame: pd.DataFrame) -> np.ndarray:
    """`ndarray[row]` of days: the last day with service of an end that is recorded as having come.

    nan where an end may lie ahead.
    """
    recorded = np.full(len(frame), table.shape.ended)
    for heading, values in table.shape.ended_if.items():
        if label := table.label(heading):
            recorded |= rows_with(table.frame, label, values).to_numpy(bool)
    return np.where(recorded, frame["end"].to_numpy(float), np.nan)


def settle_late_renewals(
    table: Table, frame: pd.DataFrame, last_month: int, reading: Reading
) -> pd.DataFrame:
    """Rows that are active after their end: they run on, or have ended, as is said; else asked.

    A row of the same customer that starts at that end or later is its renewal.
    """
    words = _words(table, frame)
    if words is None or frame.empty:
        return frame
    last_day = last_day_number(month_name(last_month)) or 0
    end, start = frame["end"].to_numpy(float), frame["start"].to_numpy(float)
    latest_start = (
        frame.groupby("customer", observed=True)["start"].transform("max").to_numpy(float)
    )
    late = words.isin(RUNNING).to_numpy() & (end <= last_day) & ~(latest_start >= end)
    if table.shape.side_by_side:  # a charge that ends in a subscription that goes on is a change
        ends = pd.Series(np.where(np.isnan(end), np.inf, end), index=frame.index)
        late &= ends.groupby(frame["customer"], observed=True).transform("max").to_numpy() <= end
    late &= end > start
    if not late.any():
        return frame
    rows = np.flatnonzero(late)
    number = counted(len(rows), "row is", "rows are")
    if reading.late_renewal == "runs-on":
        table.notice(f"{number} active after the end", "they run on, as --late-renewal says")
        return frame.assign(end=np.where(late, np.nan, end))
    if reading.late_renewal == "ends":
        table.notice(f"{number} active after the end", "they have ended, as --late-renewal says")
        return frame
    whose = frame["customer"].iloc[rows[0]]
    until = (
        ""
        if reading.until
        else f"; that is as of {month_name(last_month)}, the month of the latest start: if the"
        " export was made later, say when with --until"
    )
    table.ask(
        (
            f"{number} active and the end has passed, such as {as_written(str(whose))}'s:"
            " a renewal that is not booked, or a customer who has left"
        ),
        "say which with --late-renewal runs-on or --late-renewal ends" + until,
        "late_renewal",
        ("runs-on", "ends"),
        row=int(frame.index[rows[0]]),
        field="end",
    )
    return frame


def _left_out(
    table: Table, frame: pd.DataFrame, out: np.ndarray, what: str, why: str
) -> pd.DataFrame:
    """The rows without those that are `out`, which are said with their number and amount."""
    if out.any():
        row = int(frame.index[int(np.argmax(out))])
        rows, verb = counted(int(out.sum()), "row"), "is" if out.sum() == 1 else "are"
        table.notice(f"{rows} {what} {verb} left out ({_amount(frame, out)})", why, row)
    return kept(table, frame, ~out)


def _amount(frame: pd.DataFrame, rows: np.ndarray) -> str:
    return f"{np.nansum(frame['arr'].to_numpy(float)[rows]):,.0f} a year"


def _of_the_kind(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    for heading, values in table.shape.only.items():
        if label := table.label(heading):
            # an empty cell does not say that it is of another kind
            of_them = rows_with(table.frame, label, values) | table.frame[label].isna()
            out = ~of_them.to_numpy(bool)
            written = _some(table.frame[label][out])
            frame = _left_out(
                table,
                frame,
                out,
                f"of {label} {written}",
                f"{', '.join(values)} alone is recurring",
            )
    return frame


def _latest(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    latest = table.shape.latest
    if latest is None:
        return frame
    wanted = [latest.of] if isinstance(latest.of, str) else latest.of
    of = [label for each in wanted if (label := table.label(each))]
    by = [label for each in latest.by if (label := table.label(each))]
    if not of or not by:
        return frame
    if len(by) < 2:
        table.notice("there is no charge number", f"versions are told apart by {by[0]} alone")
    version = pd.to_numeric(table.frame[of[0]], errors="coerce")
    # where there is no charge number the subscription alone tells versions apart
    groups = version.groupby([table.frame[each] for each in by], dropna=False)
    highest = groups.transform("max")
    return _left_out(
        table,
        frame,
        (version < highest).to_numpy(bool),
        "of an earlier version",
        f"the last {of[0]} by {' and '.join(by)} counts",
    )


def _words(table: Table, frame: pd.DataFrame) -> pd.Series | None:
    """Each row's status as a plain word; None where there is no such column."""
    if "status" not in table.frame:
        if "is_trial" not in table.frame:
            return None
        is_trial = rows_with(table.frame, "is_trial", ["true", "yes", "1", "t"])
        return pd.Series(np.where(is_trial, "trial", ""), index=frame.index)
    codes, distinct = pd.factorize(table.frame["status"])
    plain_words = [plain_word(str(each)).replace("cancell", "cancel") for each in distinct]
    words = pd.Series(np.array([*plain_words, ""], dtype=object)[codes], index=frame.index)
    if "is_trial" in table.frame:
        is_trial = rows_with(table.frame, "is_trial", ["true", "yes", "1", "t"])
        words = words.mask(is_trial, "trial")
    return words


def _ever_paid(
    table: Table, frame: pd.DataFrame, words: pd.Series, reading: Reading
) -> pd.DataFrame:
    never, strange = [], []
    for word in sorted(set(words)):
        said, own = reading.counts(word), table.shape.statuses.get(word)
        if said is not None:
            never += [] if said else [word]
        elif own is not None or word in (*COUNTS, *NEVER):
            never += [word] if own == "never" or (own is None and word in NEVER) else []
        elif table.shape.open == "never" and word:
            never.append(word)
        elif word and not (word in STOPPED and table.has_periods):
            # who holds nothing counts nowhere, whatever the status means
            holds = ~(frame["arr"][words == word].abs() < CENT / 2)
            strange += [word] if holds.any() else []
    for word in strange:
        rows = (words == word).to_numpy()
        table.ask(
            (
                f"the status {as_written(word)} is not known: {counted(int(rows.sum()), 'row')},"
                f" {_amount(frame, rows)}"
            ),
            f'say whether it counts with --count "{word}=yes" or --count "{word}=no"',
            "count",
            (f"{word}=yes", f"{word}=no"),
            row=int(frame.index[int(np.argmax(rows))]),
            field="status",
        )
    for word in never:
        rows = (words == word).to_numpy()
        why = "as --count says" if reading.counts(word) is False else "they were never paid"
        frame = _left_out(table, frame, rows, f"of status {_as_it_stands(table, word)}", why)
        words = words.loc[frame.index]
    return frame


def _stopped(table: Table, frame: pd.DataFrame, words: pd.Series, reading: Reading) -> pd.DataFrame:
    """What is unpaid or paused counts until it stopped."""
    stopped = words.isin(STOPPED).to_numpy() & frame["end"].isna().to_numpy()
    stopped &= ~_count_on(table, words, reading)
    if not stopped.any():
        return frame
    when = frame["stopped"].to_numpy(float) if "stopped" in frame else np.full(len(frame), np.nan)
    unknown = stopped & np.isnan(when)
    ends = frame["end"][words.isin(ENDED)].max()
    latest = month_of_day(np.array([np.nanmax([frame["start"].max(), ends])]))[0]
    # who began in the last month has not stopped before it
    unknown &= month_of_day(frame["start"].to_numpy()) < latest
    if unknown.any():
        found = " and ".join(sorted(set(words[unknown])))
        row = int(frame.index[int(np.argmax(unknown))])
        table.ask(
            (
                f"{counted(int(unknown.sum()), 'row is', 'rows are')} {found}, and when they"
                f" stopped is not in the file ({_amount(frame, unknown)})"
            ),
            (
                "name the column that says it with --stopped COLUMN, or say whether they count:"
                + " or".join(f' --count "{word}=yes|no"' for word in sorted(set(words[unknown])))
            ),
            "stopped",
            (),
            row=row,
            field="status",
        )
        return frame
    until = (
        "they count until the day on which they stopped; the months just before it are uncertain"
    )
    for rows, before, what in (
        (stopped & ~np.isnan(when), ": what was before was paid", until),
        (stopped & np.isnan(when), "", "they began in the last month and count"),
    ):
        if rows.any():
            table.notice(
                f"{counted(int(rows.sum()), 'row is', 'rows are')} {_some(words[rows])} today"
                f" ({_amount(frame, rows)}){before}",
                what,
                int(frame.index[int(np.argmax(rows))]),
            )
    return frame.assign(end=np.where(stopped, when, frame["end"]))


def _count_on(table: Table, words: pd.Series, reading: Reading) -> np.ndarray:
    """Rows whose status counts to the end: as was said, or as their format says of it."""
    own = table.shape.statuses
    counting = [
        word
        for word in words.unique()
        if reading.counts(word) or (reading.counts(word) is None and own.get(word) == "counts")
    ]
    return words.isin(counting).to_numpy(bool)


def _ended(table: Table, frame: pd.DataFrame, words: pd.Series, reading: Reading) -> pd.DataFrame:
    """What has ended has an end."""
    if "ended_at" in frame:
        ended = words.isin(ENDED).to_numpy() & frame["end"].isna().to_numpy()
        frame = frame.assign(end=np.where(ended, frame["ended_at"], frame["end"]))
    waits = frame["waits"].to_numpy(bool)
    if "end" in table.frame:
        waits = waits | table.frame["end"].notna().to_numpy()
    ended = words.isin(ENDED).to_numpy() & frame["end"].isna().to_numpy() & ~waits
    ended &= ~words.isin([word for word in words.unique() if reading.counts(word)]).to_numpy()
    # that none has ended (--end none) is no answer where a status says that one has
    if ended.any():
        table.ask(
            (
                f"{counted(int(ended.sum()), 'row has', 'rows have')} ended ({_some(words[ended])})"
                f" and no end ({_amount(frame, ended)})"
            ),
            "fill in the end, or name the column that says when with --ended-at COLUMN",
            "ended_at",
            (),
            row=int(frame.index[int(np.argmax(ended))]),
            field="end",
        )
    return frame


def _recurring(table: Table, frame: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows without one-off items, unless they are to be added."""
    names = [name for name in dict.fromkeys(("item", *table.lines)) if name in table.frame]
    out = np.zeros(len(frame), dtype=bool)
    items: set[str] = set()
    for name in names:
        cells = table.frame[name]
        one_off = {each for each in cells.dropna().unique() if _is_one_off(str(each))}
        out |= cells.isin(one_off).to_numpy()
        items |= set(map(str, one_off))
    if not out.any() or reading.one_off == "add":
        return frame
    return _left_out(
        table,
        frame,
        out,
        f"of one-off items ({_some(items)})",
        "--one-off add takes them as recurring",
    )


def _is_one_off(item: str) -> bool:
    if not MAY_BE_ONE_OFF.search(item):
        return False  # most of a million invoices' numbers
    words = f" {plain(item)} "
    return any(f" {each} " in words for each in ONE_OFF)


def _as_it_stands(table: Table, word: str) -> str:
    """A status as the file writes it."""
    if "status" not in table.frame:
        return word
    cells = table.frame["status"].dropna().astype("str")
    return next((each for each in cells.unique() if plain_word(each) == word), word)


def _some(cells: Iterable[object]) -> str:
    """A few of the distinct cells, in words."""
    found = sorted({str(cell) for cell in pd.Series(list(cells), dtype=object).dropna()})
    more = f" and {len(found) - MOST_WORDS} more" if len(found) > MOST_WORDS else ""
    return ", ".join(found[:MOST_WORDS]) + more
