"""The journal of all accounts: filters, sums and CSV."""
