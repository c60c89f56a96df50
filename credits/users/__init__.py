"""People: signing up and in, sessions, profiles, and who is an admin."""
