"""A scenario as a workbook of Excel: its rows, and sheets that compute; each module one direction."""
