"""Syncs with Clerk: what one does (`run`), its job (`jobs`), starting one by hand (`by_hand`)."""
