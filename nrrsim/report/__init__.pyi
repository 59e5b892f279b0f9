from . import charts as charts
from . import tables as tables
from . import workbook as workbook
from .manifest import verify as verify
from .published import publish as publish
from .published import published as published
from .published import reports_of as reports_of
from .run import run_card as run_card
