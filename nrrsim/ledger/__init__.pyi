from .ledger import Ledger as Ledger
from .ledger import read_ledger as read_ledger
