"""Users: search, one user, adjustments and refunds."""
