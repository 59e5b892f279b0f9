from .rows import customers as customers
from .write import write_workbook as write_workbook
