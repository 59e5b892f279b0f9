"""The example company, Meridian Cloud: its ledger (`meridian.csv`), what it knew of its customers
(`meridian_signals.csv`, `_reasons`, `_actions`), what its sales team had open (`_pipeline`), and
the scripts that make them.
"""
