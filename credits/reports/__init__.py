"""What admins see of the ledger: the rollup and every sum over the journal."""
