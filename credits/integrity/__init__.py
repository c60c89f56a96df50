"""Every check that `manage.py check_ledger` runs: `run.CHECKS` lists them."""
