"""A scenario as an Excel workbook: its rows, read and written, and sheets that compute."""
