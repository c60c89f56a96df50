"""Reading users and subscriptions from Clerk: the sync, by hand and each hour."""
