"""People: signing up and in, sessions, profiles, who is an admin, and the audit trail."""
