"""Reading Clerk's present state: what a sync does, its job, and starting one manually."""
