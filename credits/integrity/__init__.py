"""Every check that `manage.py check_ledger` runs."""
