"""Limits of what an account, a key or a member may spend in a period: setting them, pages, and
the alerts when a threshold is reached. That none is passed is kept by `credits/sql/limits.sql`."""
