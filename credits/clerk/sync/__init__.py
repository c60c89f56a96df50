"""Reading Clerk's present state: what a sync does, its job, starting one manually, and the
background work."""
