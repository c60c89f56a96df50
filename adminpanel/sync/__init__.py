"""The pages of syncs with Clerk."""
