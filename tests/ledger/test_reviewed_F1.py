"""What a review of exports found, each as the smallest file that shows it."""

import re
from pathlib import Path

import pytest

import nrrsim as nr
from nrrsim.errors import DataError
from nrrsim.ledger.exports import Shape
from nrrsim.months import month_name

LEDGER = Path(nr.__file__).parent / "ledger"
HUBSPOT = (
    "Record ID,Deal Stage,Close Date,Recurring revenue amount,Recurring revenue deal type,"
    "Recurring revenue inactive date,Associated Company\n"
)
ALDER = "1,Closed Won,2024-01-03,300,New business,,Alder\n"
UPGRADE = "2,Closed Won,2025-05-03,400,Upgrade,,Alder\n"
CEDAR = "5,Closed Won,2025-12-03,100,New business,,Cedar\n"
CHARTMOGUL = "CUSTOMER_EXTERNAL_ID,MRR,STATUS,START_DATE,END_DATE\n"
ZUORA = (
    "Account: Name,Subscription: Name,Subscription: Version,Subscription: Status,"
    "Rate Plan Charge: Charge Number,Charge Type,MRR,Effective Start Date,Effective End Date\n"
)
CHARGEBEE_MONTHS = (
    "customer_id,subscription_id,reporting_month,status,billing_currency_code,"
    "mrr_billing_currency\nc1,s1,2024-12-31,active,USD,100\nc1,s1,2025-01-31,active,USD,100\n"
)
CHARGEBEE = (
    "customers.id,subscriptions.id,subscriptions.status,subscriptions.start_date,"
    "subscriptions.trial_end,subscriptions.activated_at,subscriptions.cancelled_at,"
    "subscriptions.mrr\nc1,s1,Active,2024-12-05,,2024-12-05,,100\n"
)
SERVICE = "Customer,Invoice Number,Service Start,Service End,Net Amount,Status\n"
XERO = "ContactName,InvoiceNumber,InvoiceDate,LineAmount,Status\n"
SALESFORCE = (
    "Account Name,Status,Contract Start Date,Contract End Date,Contract Term (months),"
    "Annual Contract Value,Total Contract Value\n"
)
STRIPE = (
    "id,Customer ID,Status,Amount,Interval,Quantity,Start Date (UTC),Ended At (UTC),"
    "Trial End (UTC),Current Period Start (UTC)\ns0,c0,active,100,month,1,2024-11-01,,,\n"
)
RECURLY = (
    "uuid,account_code,state,quantity,total_recurring_amount,activated_at,expires_at,trial_ends_at,"
    "plan_interval_unit,plan_interval_length\ns0,c0,active,1,100,2024-11-01,,,months,1\n"
)
CPQ = (
    "Name,SBQQ__Account__c,SBQQ__Quantity__c,SBQQ__NetPrice__c,SBQQ__SubscriptionStartDate__c,"
    "SBQQ__SubscriptionEndDate__c,SBQQ__SubscriptionType__c\n"
    "S1,A,10,100,2024-01-01,2025-12-31,Renewable\n"
)
MONTH = {"amount_is": "month"}

# What a file of these lines holds in ARR by month, and what is said of it.
READ = {
    "an upgrade ends what was before": (
        HUBSPOT + ALDER + UPGRADE + CEDAR,
        {},
        {"2025-04": 3600, "2025-05": 4800, "2025-12": 6000},
        "1 period ends where what takes its place starts",
    ),
    "of several what is said is done": (
        HUBSPOT + ALDER + ALDER.replace("300", "200").replace("1,", "11,", 1) + UPGRADE,
        {"overlap": "replace"},
        {"2025-04": 6000, "2025-05": 4800},
        "",
    ),
    "an inactive date may lie ahead": (
        HUBSPOT + ALDER.replace(",,", ",2027-01-02,") + CEDAR,
        {},
        {"2025-12": 4800},
        "after 2025-12, the ledger's last month",
    ),
    "what is active has no recorded end": (
        CHARTMOGUL + "a,1000,active,2024-01-02,2027-01-02\nb,2000,Cancelled,2024-01-02,2025-03-02",
        {},
        {"2025-02": 360, "2025-03": 120},
        "",
    ),
    "a draft of Zuora was never paid": (
        ZUORA
        + "A,S1,1,Active,C1,Recurring,100,2024-01-15,\n"
        + "B,S2,1,Draft,C2,Recurring,70,2024-01-15,\n"
        + "B,S3,1,Pending Activation,C3,Recurring,70,2024-01-15,\n",
        {},
        {"2024-01": 1200},
        "1 row of status Draft is left out",
    ),
    "a version without a charge number": (
        ZUORA
        + "A,S1,1,Active,,Recurring,100,2024-01-15,\n"
        + "A,S1,2,Active,,Recurring,120,2024-01-15,\n"
        + "B,S2,1,Active,C2,Recurring,100,2024-01-15,\n",
        {},
        {"2024-01": 2640},
        "1 row of an earlier version",
    ),
    "a charge ends in a subscription that goes on": (
        ZUORA
        + "A,S1,1,Active,C1,Recurring,100,2024-01-15,\n"
        + "A,S1,1,Active,C2,Recurring,50,2024-01-15,2024-03-01\n"
        + "B,S2,1,Active,C3,Recurring,10,2024-04-15,\n",
        {},
        {"2024-02": 1800, "2024-04": 1320},
        "",
    ),
    "who is paused at nothing is not asked": (
        CHARGEBEE_MONTHS + "c2,s2,2024-12-31,in_trial,USD,50\nc3,s3,2024-12-31,paused,USD,0\n",
        {},
        {"2024-12": 1200, "2025-01": 1200},
        "1 row of status in_trial is left out",
    ),
    "a trial cancelled before activation": (
        CHARGEBEE + "c2,s2,Cancelled,2024-10-05,2024-11-04,,2024-11-04,50\n",
        {},
        {"2024-12": 1200},
        "a period of no length was never paid",
    ),
    "an open invoice is due": (
        SERVICE
        + "A,1,2024-12-01,2025-11-30,1200,Paid\nA,2,2025-12-01,2026-11-30,1200,Open\n"
        + "B,3,2024-12-01,2025-11-30,600,Awaiting Payment\n"
        + "B,4,2024-12-01,2025-11-30,600,Awaiting Approval\n",
        {},
        {"2024-12": 1800, "2025-12": 1200},
        "1 row of status Awaiting Approval is left out",
    ),
    "an unpaid invoice is due": (
        SERVICE + "A,1,2024-12-01,2025-11-30,1200,Unpaid\n",
        {},
        {"2024-12": 1200},
        "",
    ),
    "Xero's states where an invoice has no period": (
        "Customer,Invoice Number,Invoice Date,Amount,Status\nA,1,2024-12-01,100,Awaiting Payment\n"
        "B,2,2024-12-01,50,Open\nC,3,2024-12-01,70,Voided\n",
        {"invoices": "monthly"},
        {"2024-12": 1800},
        "",
    ),
    "Xero's template": (
        "*ContactName,*InvoiceNumber,*InvoiceDate,LineAmount,Status\nA,1,2024-12-01,100,Paid\n",
        {"invoices": "monthly"},
        {"2024-12": 1200},
        "",
    ),
    "ACV, else TCV by the term, by row": (
        SALESFORCE
        + "A,Activated,2024-12-01,2025-11-30,12,1200,1200\n"
        + "B,Activated,2024-12-01,2026-11-30,24,,1200\n"
        + "C,Activated,2024-12-01,2025-11-30,,,600\n"
        + "D,Activated,2024-12-01,2025-11-30,12,1000,3000\n",
        {},
        {"2024-12": 3400},
        "Total Contract Value by the term is not Annual Contract Value in 1 row",
    ),
    "TCV without a term is from start to end": (
        "Account Name,Contract Start Date,Contract End Date,Contract Term (months),"
        "Total Contract Value\nA,2024-12-01,2025-11-30,,1200\nB,2024-12-15,2025-12-14,12,1200\n",
        {},
        {"2024-12": 2400},
        "",
    ),
    "an empty end beside a term": (
        SALESFORCE
        + "A,Expired,2024-01-15,,12,1200,\nB,Activated,2025-03-15,2026-03-14,12,1200,1200\n",
        {},
        {"2024-12": 1200, "2025-01": 0, "2025-03": 1200},
        "1 end is empty: the term's end is taken",
    ),
    "ends by terms alone": (
        "customer,start,term months,mrr\nA,2024-01-15,12,100\nB,2025-03-15,12,100\n",
        {},
        {"2024-12": 1200, "2025-01": 0, "2025-03": 1200},
        "ends with its term",
    ),
    "a trial that ended early": (
        STRIPE + "s1,c1,canceled,50,month,1,2024-10-01,2024-10-20,2024-10-31,\n",
        {},
        {"2024-11": 1200},
        "1 subscription ends before the trial does",
    ),
    "a trial that ended early, of Recurly": (
        RECURLY + "s1,c1,expired,1,50,2024-10-01,2024-10-20,2024-10-31,months,1\n",
        {},
        {"2024-11": 1200},
        "1 subscription ends before the trial does",
    ),
    "an amendment takes units away": (
        CPQ + "S2,A,-3,100,2024-06-01,2025-12-31,Renewable\n",
        MONTH,
        {"2024-05": 12_000, "2024-06": 8400},
        "",
    ),
    "an empty type is recurring": (
        CPQ + "S2,B,5,100,2024-01-01,2025-12-31,\nS3,C,5,100,2024-01-01,2025-12-31,One-time\n",
        MONTH,
        {"2024-01": 18_000},
        "1 row of SBQQ__SubscriptionType__c One-time is left out",
    ),
    "a unit price is multiplied": (
        "customer,start,end,unit price,quantity,interval\nA,2024-01-15,,10,5,month\n",
        {},
        {"2024-01": 600},
        "multiplied with the quantity",
    ),
    "a unit amount that is named": (
        "customer,start,end,unit price,quantity,interval\nA,2024-01-15,,120,5,year\n",
        {"columns": {"amount": "unit price"}},
        {"2024-01": 600},
        "multiplied with the quantity",
    ),
    "a unit amount of a month": (
        "customer,month,Unit Amount,qty\nA,2024-01,10,5\n",
        MONTH,
        {"2024-01": 600},
        "",
    ),
    "unpaid since the last month": (
        "customer,start,end,mrr,status\nA,2024-01-15,,100,active\nB,2024-02-15,,100,unpaid\n",
        {},
        {"2024-02": 2400},
        "they began in the last month and count",
    ),
}

# What is found of a file, and what is not said.
FOUND = {
    "which of several is replaced": (
        HUBSPOT + ALDER + ALDER.replace("300", "200") + UPGRADE,
        {},
        "several run, such as .*--overlap replace or --overlap add",
        "x{99}",
    ),
    "who is paused with an amount": (
        CHARGEBEE_MONTHS + "c3,s3,2024-12-31,paused,USD,5\n",
        {},
        "the status 'paused' is not known",
        "x{99}",
    ),
    "a whole term without one": (
        "customer,start,end,amount\nA,2024-01-15,2025-01-15,1200\n",
        {"amount_is": "total"},
        "there is no column of terms; .*--column term_months",
        "interval",
    ),
    "a term that is none": (
        "customer,start,term months,mrr\nA,2024-01-15,twelve,100\nB,2024-01-15,12,100\n",
        {},
        "term_months: 'twelve' is not a number of months",
        "not a date",
    ),
    "units without a quantity": (
        "customer,start,end,amount,interval\nA,2024-01-15,,10,month\n",
        {"amount_is": "unit"},
        "there is no column quantity",
        "None",
    ),
    "an empty quantity": (
        STRIPE + "s1,c1,active,50,month,,2024-10-01,,,\n",
        {},
        "^[^\n]*:3: quantity: is empty; the amount is that of one unit[^\n]*$",
        "unit_price|not a number",
    ),
    "an empty price": (
        STRIPE + "s1,c1,active,,month,1,2024-10-01,,,\n",
        {},
        "^[^\n]*amount: is empty[^\n]*$",
        "unit_price|not a number",
    ),
    "a negative quantity elsewhere": (
        "customer,start,end,unit price,quantity,interval\nA,2024-01-15,,10,-5,month\n",
        {},
        "quantity: '?-5'? is not a number of 0 or more",
        "x{99}",
    ),
    "canceled, and none has ended": (
        "customer,start,end,mrr,status\nA,2024-01-15,,100,canceled\nB,2024-01-15,2024-03-15,1,active\n",
        {"end": "none"},
        "1 row has ended .* --ended-at COLUMN",
        "x{99}",
    ),
    "canceled without ends": (
        "customer,start,mrr,status\nA,2024-01-15,100,canceled\nB,2024-01-15,1,active\n",
        {"end": "none"},
        "1 row has ended .* --ended-at COLUMN",
        "x{99}",
    ),
    "an end before the start that is no trial's": (
        STRIPE + "s1,c1,canceled,50,month,1,2024-10-01,2024-09-20,,\n",
        {},
        "is not after the start",
        "x{99}",
    ),
}


def book(folder: Path, text: str, said: dict) -> nr.Ledger:
    path = folder / "book.csv"
    path.write_text(text)
    return nr.read_ledger(path, **said)


@pytest.mark.parametrize("name", READ)
def test_what_is_read(name, tmp_path):
    text, said, expected, told = READ[name]
    ledger = book(tmp_path, text, said)
    frame = ledger.entries.frame
    arr = frame.groupby(frame["month"].map(month_name))["arr"].sum()
    assert {month: arr.get(month, 0) for month in expected} == pytest.approx(expected)
    notices = [f"{each.problem}; {each.remedy}" for each in ledger.entries.notices]
    assert told in "\n".join([*notices, *ledger.entries.taken])


@pytest.mark.parametrize("name", FOUND)
def test_what_is_found(name, tmp_path):
    text, said, expected, never = FOUND[name]
    with pytest.raises(DataError) as refused:
        book(tmp_path, text, said)
    message = str(refused.value)
    assert re.search(expected, message, re.DOTALL)
    assert not re.search(never, message)


def test_last_month_of_what_runs_on(tmp_path):
    ledger = book(tmp_path, READ["an inactive date may lie ahead"][0], {})
    assert ledger.months[-1] == "2025-12"


def test_quantity_and_price_of_what_a_credit_changed(tmp_path):
    frame = book(tmp_path, READ["an amendment takes units away"][0], MONTH).entries.frame
    product = frame["quantity"] * frame["unit_price"]
    assert ((12 * product - frame["arr"]).abs() < 0.01)[product.notna()].all()
    assert product.isna().any()


def test_each_key_of_a_shape_is_read():
    code = "".join(path.read_text() for path in LEDGER.glob("*.py") if path.name != "exports.py")
    unread = [key for key in Shape.model_fields if not re.search(rf"shape\.{key}\b", code)]
    assert not unread


def test_what_nobody_needs_is_left_out(tmp_path):
    text = "Customer,Month,Beginning ARR,New,Ending ARR\nA,2024-01,0,5,5\nA,2024-02,5,0,5\n"
    assert "New" not in book(tmp_path, text, {}).columns
