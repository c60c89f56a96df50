"""The API keys of all users, for admins: never a secret."""
