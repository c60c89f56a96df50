"""Session tokens of Clerk: verified, and turned into a user of this site."""
