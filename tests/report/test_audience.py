"""For whom a report is: what an investor must not see, what a preparer is told, what management says."""

import json
import re
import zipfile
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, said_of, squeezed, text_of

import nrrsim as nr
from nrrsim.analysis.actuals import Actuals
from nrrsim.months import shift
from nrrsim.report.card import read_card
from nrrsim.report.run import run_card
from nrrsim.report.wording import quarterly
from nrrsim.report.wording.commentary import named

MERIDIAN = ROOT / "nrrsim" / "data" / "meridian.csv"
# names that no other text of a report holds, one a customer
WHO = [
    f"{word}wick {kind}"
    for word in ("Ald", "Bram", "Cor", "Dun", "Elm")
    for kind in ("Mills", "Trust")
]


def ledger(folder: Path) -> Path:
    """Three years of ten customers; one is lost, two grow, and one seems renamed."""
    rows = ["customer,month,mrr,segment,renewal"]
    for place, name in enumerate(WHO):
        for after in range(36):
            month = shift("2023-10", after)
            if place == 9 and after > 30:
                continue
            amount = 100 * (place + 1) * (1.2 if place < 2 and after > 28 else 1)
            rows.append(
                f"{name},{month},{amount},{'smb' if place % 2 else 'mid_market'},2026-1{place % 3}"
            )
    path = folder / "ledger.csv"
    path.write_text("\n".join(rows))
    return path


def card(folder: Path, *more: str) -> Path:
    ledger(folder)
    lines = [
        "notebook: quarterly_report",
        "company: Acme",
        "ledger: ledger.csv",
        'as_of: "2026-09"',
    ]
    path = folder / "acme.yaml"
    path.write_text("\n".join([*lines, "trials: 100", *more]) + "\n")
    return path


# --- masked names ------------------------------------------------------------------------------------------


def test_masked_names_move_no_number():
    plain = nr.read_ledger(MERIDIAN)
    masked = plain.masked("2026-09")
    shown, hidden = Actuals(plain, "2026-09"), Actuals(masked, "2026-09")
    assert shown.record() == hidden.record()  # the fingerprint, too
    assert nr.forecast(shown, 100).record() == nr.forecast(hidden, 100).record()
    assert nr.renewals(shown).equals(nr.renewals(hidden))
    movers = nr.movers(hidden)
    assert masked.true_names(movers["customer"]) == nr.movers(shown)["customer"].tolist()
    assert movers["customer"].str.fullmatch(r"Customer \d+").all()


def test_masked_names_are_numbered_by_arr(tmp_path):
    past = nr.actuals(str(ledger(tmp_path)), "2026-09", masked=True)
    today = past.ledger.customers("2026-09")["arr"].sort_values(ascending=False)
    assert today.index.tolist() == [f"Customer {n}" for n in range(1, 10)]
    assert past.ledger.unmasked["Customer 1"] == "Elmwick Mills"
    assert past.ledger.unmasked["Customer 10"] == "Elmwick Trust"  # gone: after all who are there
    assert set(past.ledger.unmasked.values()) == set(WHO)


def test_a_notice_that_names_a_customer_is_left_out_and_counted(write):
    """A renamed customer is a notice, with both names."""
    months = [shift("2025-01", n) for n in range(12)]
    rows = [f"Nordwick,{m},1{n}7.31" for n, m in enumerate(months[:6])]
    rows += [f"Nordwick Ltd,{m},1{n}7.31" for n, m in enumerate(months[6:])]
    rows += [f"other {k},{m},{k}5" for m in months for k in range(1, 5)]
    plain = nr.read_ledger(write("customer,month,mrr\n" + "\n".join(rows)))
    naming = [each for each in plain.notices if "Nordwick" in str(each)]
    assert naming
    notices = plain.masked("2025-12").notices
    assert not any("wick" in str(each) for each in notices)
    assert f"{len(naming)} notice" in str(notices[-1])


def test_the_key_to_names_is_written_where_the_user_says(tmp_path):
    key = tmp_path / "key.csv"
    nr.actuals(str(ledger(tmp_path)), "2026-09", masked=True, names_key=key)
    assert key.read_text().splitlines()[:2] == ["masked,customer", "Customer 10,Aldwick Mills"] or (
        "Customer 1,Elmwick Mills" in key.read_text()
    )
    with pytest.raises(nr.UsageError, match="names are shown, and need no key"):
        nr.actuals(str(ledger(tmp_path)), "2026-09", names_key=key)


def every_text(folder: Path) -> dict[str, str]:
    """What can be read in each file of a report, packed or not."""
    found = {}
    for path in folder.iterdir():
        if path.suffix == ".pdf":
            found[path.name] = text_of(path)
        elif path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                found[path.name] = "\n".join(
                    book.read(name).decode("utf-8", "replace") for name in book.namelist()
                )
        else:
            found[path.name] = path.read_bytes().decode("utf-8", "replace")
    return found


def test_an_investor_reads_no_name_anywhere(tmp_path, caplog):
    """Not in the PDF, HTML, its data, the notebook, the workbook or the manifest; nor what management says of a
    section that investors do not get.
    """
    words = "commentary: {trend: As planned with elmwick mills., segments: Gone are seven.}"
    with caplog.at_level("INFO", logger="nrrsim"):
        folder = run_card(
            card(tmp_path, "audience: investor", words),
            out=tmp_path / "out",
            to=("pdf", "html", "xlsx"),
            engine="embedded",
            summary=True,
        )
    assert "commentary on segments is left out: for audience investor" in caplog.text
    assert "commentary on trend names Elmwick Mills; this report masks" in caplog.text
    texts = every_text(folder)
    assert {
        "report.pdf",
        "summary.pdf",
        "report.html",
        "report.xlsx",
        "report.ipynb",
        "manifest.json",
    } <= set(texts)
    import base64

    for name, text in texts.items():
        # downloads lie in the page as base64
        for packed in re.findall(r"base64,([A-Za-z0-9+/=]{40,})", text):
            text += base64.b64decode(packed + "===").decode("utf-8", "replace")
        # management's own words are as they are written, and warned of
        assert "wick" not in text.replace("elmwick", ""), name
        assert "Gone are seven" not in text, name
    assert "As planned" in texts["report.html"]
    assert "Customer 1" in texts["report.pdf"]
    assert "published.parquet" not in texts
    # nor what a customer pays each month, under whatever name
    assert 'name="Checks"' in texts["report.xlsx"]
    assert 'name="Customers"' not in texts["report.xlsx"]
    assert "Customer 2" not in texts["report.xlsx"]
    pages = text_of(folder / "report.pdf")
    for heading in ("The bottom line", "What happened", "Definitions and checks"):
        assert heading in pages
    for heading in ("By segment", "Largest movements", "Forecast accuracy", "Preparer"):
        assert heading not in pages


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Losing ALDER cost two points.", ["Alder"]),
        ("Alders and Balder stayed.", []),
        ("O'Brien (Ireland) and Alder: late.", ["Alder", "O'Brien (Ireland)"]),
        ("X. renewed", ["X."]),
        ("", []),
    ],
)
def test_whom_a_commentary_names(text, found, tmp_path):
    customers = ["O'Brien (Ireland)", "Alder", "X.", " "]
    (tmp_path / "words.md").write_text(text)
    for said in filter(None, (text, "words.md")):
        told = named({"trend": said}, customers, tmp_path)
        assert told == ({"trend": found} if found else {})


# --- preparer's notes --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A board's report, with management's words in it."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "segments.md").write_text(
        "SMB is **cyclical**; costs ($5M/$6M) @ {x} fell.\n\n- one\n- two\n"
    )
    words = "commentary: {summary: Two contracts moved to *Q4*., segments: segments.md}"
    made = card(folder, "audience: board", words)
    return run_card(made, out=folder / "out", to=("pdf", "html"), engine="embedded")


def test_notes_are_for_the_preparer(board, tmp_path, caplog):
    caplog.set_level("INFO", logger="nrrsim")
    team = run_card(card(tmp_path, "audience: team"), out=tmp_path / "out", to=("html",))
    assert any("note: " in each and "no contraction in" in each for each in caplog.messages)
    for folder, rendered in ((board, False), (team, True)):
        assert ("Preparer" in (folder / "report.html").read_text()) == rendered
        cells = nbformat.read(folder / "report.ipynb", as_version=4).cells
        # in the notebook always
        assert any("Preparer" in str(cell.get("outputs")) for cell in cells)


# --- management's own words ----------------------------------------------------------------------------------


def test_commentary_is_printed_as_managements_and_as_it_is_written(board):
    text = squeezed(text_of(board / "report.pdf"))
    assert text.count("Managementcommentary") == 2
    assert "TwocontractsmovedtoQ4." in text
    assert "SMBiscyclical;costs($5M/$6M)@{x}fell." in text
    inputs = json.loads((board / "manifest.json").read_text())["inputs"]
    assert any(name.endswith("segments.md") for name in inputs)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<b>x</b>", "HTML stands here"),
        (r"\textbf{x}", "LaTeX stands here"),
        ("$$x$$", "a formula stands here"),
        ("`x`{=typst}", "a raw block stands here"),
        ("{{< env HOME >}}", "a shortcode stands here"),
        ("see [this](https://example.com)", "an address stands here"),
        ("www.example.com", "an address stands here"),
        ("![x](/etc/passwd)", "an address stands here"),
        ("# Head", "a heading stands here"),
        ("Head\n====", "a heading stands here"),
        ("::: {.x}", "a block of the page's own layout stands here"),
        ("```\ncode\n```", "a block of code stands here"),
    ],
)
def test_what_no_commentary_may_hold_is_said_with_its_place(tmp_path, text, said):
    (tmp_path / "more.md").write_text(f"Fine.\n{text}\n")
    line = json.dumps(f"Fine.\n{text}")
    for commentary, place in (
        (line, f"acme.yaml:6: commentary: trend, line {2 + text.count('=') // 4}: "),
        ("more.md", f"more.md:{2 + text.count('=') // 4}: "),
    ):
        with pytest.raises(nr.UsageError) as caught:
            read_card(card(tmp_path, f"commentary: {{trend: {commentary}}}"))
        assert place in str(caught.value)
        assert said in str(caught.value)
        told = str(caught.value).splitlines()
        assert len(told) == len(set(told))


def test_a_section_that_is_none_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(nr.UsageError) as caught:
        read_card(card(tmp_path, "commentary: {segment: x, trend: no.md}"))
    assert "segment is no section; did you mean segments?" in str(caught.value)
    assert "trend: there is no file no.md beside the card" in str(caught.value)


def test_a_summary_is_one_page_or_none(tmp_path):
    long = "A word on the quarter, at length. " * 90
    made = card(tmp_path, f"commentary: {{summary: '{long}'}}")
    with pytest.raises(nr.UsageError, match="--summary: page 1 has become 2 pages; shorten"):
        run_card(made, to=["html"], out=tmp_path / "out", summary=True)
    assert not (tmp_path / "out" / "acme").exists()
    (tmp_path / "model.yaml").write_text(
        'notebook: the_model\nledger: ledger.csv\nas_of: "2026-09"\n'
    )
    with pytest.raises(nr.UsageError, match="--summary: the_model has no page 1 of its own"):
        run_card(tmp_path / "model.yaml", out=tmp_path / "out", summary=True)


# --- labels, choices, summary --------------------------------------------------------------------------------


def test_labels_name_segments_everywhere(tmp_path):
    past = nr.actuals(str(ledger(tmp_path)), "2026-09", labels={"smb": "Small business"})
    said = said_of(past, "segments", "segment_trend")
    assert "Small business" in said
    assert "Mid\\-market" in said
    assert "smb" not in said
    assert "mid_market" not in said


def test_no_two_segments_are_called_the_same(tmp_path):
    path = ledger(tmp_path)
    path.write_text(path.read_text().replace("mid_market", "SMB"))
    past = nr.actuals(str(path), "2026-09")
    assert sorted(quarterly.split(past)["name"]) == ["SMB", "smb"]
    assert quarterly.segment_trend(past)["segment"].nunique() == 2
    with pytest.raises(nr.UsageError, match=r"labels: .*would both be called Small; give each"):
        nr.actuals(str(path), "2026-09", labels={"smb": "Small", "SMB": "Small"})
    with pytest.raises(nr.UsageError, match=r"labels: .*would both be called Mid-market"):
        nr.actuals(str(ledger(tmp_path)), "2026-09", labels={"smb": "Mid-market"})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("audience: bord", "audience: must be one of board, team, investor, got 'bord'"),
        ("names: hidden", "names: must be one of shown, masked, got 'hidden'"),
        ("labels: [a]", "labels: must be a mapping such as {mid_market: Mid-market}"),
    ],
)
def test_a_wrong_choice_is_refused(tmp_path, line, said):
    with pytest.raises(nr.UsageError) as caught:
        read_card(card(tmp_path, line))
    assert said in str(caught.value)
