"""Who signed in, from where, and what they changed of how they do, as admins see it."""
