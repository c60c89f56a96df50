"""The authentication events of all users, for admins."""
