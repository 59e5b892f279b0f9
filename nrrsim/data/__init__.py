"""The example company, Meridian Cloud: its ledger (`meridian.csv`) and the script that makes it."""
