"""A heading as people write it in, the word of ours that it stands for out; never reads a cell."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

# ISO 4217's codes of money that is in use
_CODES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN"
    " BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL"
    " GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR"
    " KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK"
    " MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR"
    " SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS"
    " UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
)
CURRENCIES = frozenset(_CODES.split())

SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "US$": "USD", "₹": "INR", "₩": "KRW"}

# Our word: the headings that stand for it, the surest first.
CUSTOMER = (
    *("customer id", "customer external id", "customer external ids", "customer oid"),
    *("customers id", "customer number", "customer no", "customer key"),
    *("account id", "account number"),
    *("client id", "company id", "kundennummer", "kunden nr"),
    *("customer name", "customer", "customers company", "customers"),
    *("account name", "account"),
    *("client name", "client", "kundenname", "kunde"),
    *("contactname", "contact name", "associated company", "company name", "company"),
)
MONTH = (
    *("month", "date month", "reporting month", "revenue month end date", "revenue month"),
    *("period", "as of", "as of date", "snapshot date", "month end", "monat", "date", "datum"),
)
AMOUNTS = {
    "mrr": (
        *("mrr", "mrr amount", "monthly recurring revenue", "mrr billing currency"),
        *("ending balance mrr", "ending mrr", "closing mrr"),
    ),
    "arr": ("arr", "annual recurring revenue", "ending arr", "closing arr", "arr amount"),
    "amount": ("amount", "net amount", "betrag"),
}
# Read only where nothing surer is there: an export often has MRR and its twelvefold side by side.
SECOND_CHOICE = ("arr amount",)
OTHERS = {
    "start": ("start", "start date", "service start", "service start date", "beginn"),
    "end": ("end", "end date", "service end", "service end date", "ende"),
    "interval": ("interval", "billing interval"),
    "interval_count": ("interval count",),
    "segment": ("segment", "customer segment", "account segment", "segment name"),
    "product": ("product",),
    "quantity": ("quantity", "qty"),
    "unit_price": ("unit price", "unit amount", "price per unit"),
    "currency": ("currency", "currency code", "waehrung", "währung"),
    "renewal": ("renewal", "renewal month", "renewal date"),
    "term_months": ("term months", "contract term months", "term in months"),
    "status": ("status", "state", "subscription status", "contract status"),
    "is_trial": ("is trial",),
    "booked": ("booked",),
}
# Words of status, as the day of the export knows them: what was paid for, and what never was.
COUNTS = (
    *("active", "activated", "live", "past due", "non renewing", "canceled", "cancelled"),
    *("expired", "ended", "renewed", "closed won", "paid", "terminated"),
)
NEVER = (
    *("trialing", "trialling", "trial", "in trial", "incomplete", "incomplete expired", "future"),
    *("draft", "open", "lost", "closed lost"),
)
STOPPED = ("unpaid", "paused")
STATUSES = (*COUNTS, *NEVER, *STOPPED)
# What may stand beside `customer` and be one, too.
ALSO_CUSTOMERS = ("account", "subsidiary", "parent")
# An invoice's number beside `account` says that it is the ledger's account.
OF_AN_INVOICE = ("invoice", "transaction")
LINES = ("product", "item", "line", "plan", "sku", "subscription", "sub", "charge", "contract")
MEASURES = ("metric", "measure", "kpi")


def currency_code(text: str) -> str:
    """A currency as somebody states it, `eur` or `€`, as its code; ValueError for none."""
    code = text.strip().upper()
    if (code := SIGNS.get(code, code)) not in CURRENCIES:
        raise ValueError(f"{text!r} is no currency; write its code of three letters, such as EUR")
    return code


class Heading(NamedTuple):
    """A heading without what is said beside its words: `plain` words, currency, minor units."""

    plain: str
    currency: str = ""
    minor: bool = False


def plain(text: object) -> str:
    """A heading's words: case, blanks and the signs between them do not matter."""
    words = unicodedata.normalize("NFKC", str(text)).casefold()
    words = re.sub(r"^\s*(sum|summe) (of|von) ", "", words)
    return " ".join(re.sub(r"[\s_\-.:/#*]+", " ", words).split())


def heading_of(text: object) -> Heading:
    """A heading's words, without the currency and the unit that it says."""
    words, currency, minor = unicodedata.normalize("NFKC", str(text)), "", False
    for sign, code in SIGNS.items():
        if f"({sign})" in words:
            words, currency = words.replace(f"({sign})", " "), code
    found = plain(re.sub(r"[()\[\],]", " ", words)).split()
    kept = []
    for word in found:
        if word.upper() in CURRENCIES and len(found) > 1:
            currency = word.upper()
        elif word in ("cents", "cent", "pence", "minor") and len(found) > 1:
            minor = True
        else:
            kept.append(word)
    return Heading(" ".join(kept), currency, minor)


def makes_lines(text: object) -> bool:
    """Whether a column with this heading tells a customer's lines apart."""
    words = plain(text).split()
    if words and words[-1] in ("id", "name", "number", "no", "oid", "code", "uuid"):
        words = words[:-1]
    return bool(words) and len(words) <= 2 and words[-1] in (*LINES, "invoice")


def names_a_customer(text: object) -> bool:
    """Whether a heading names a customer."""
    return heading_of(text).plain in CUSTOMER


def names_an_amount(text: object) -> bool:
    """Whether a heading names an amount of recurring revenue."""
    return any(heading_of(text).plain in names for names in AMOUNTS.values())


def names_a_date(text: object) -> bool:
    """Whether a heading names a month, or the day on which something starts."""
    return heading_of(text).plain in (*MONTH, *OTHERS["start"])
