"""Proof by force: processes spend, and people chat, while the database and the site's workers under
them are killed, again and again; then every answer that anybody got is held against the journal.

    python -m tests.chaos --seed 7

prints its figures and exits 1 when a credit is lost or doubled. A smaller experiment is part of the
tests (`tests/credits/ledger/test_killed_database.py`).
"""
