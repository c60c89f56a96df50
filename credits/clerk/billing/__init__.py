"""Subscriptions at Clerk: their state here, and the grants that their paid periods earn."""
