"""The JSON API of admins."""
