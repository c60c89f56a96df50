"""API keys: their secrets, what a call with one may do, making, changing, rolling and revoking them
(I12), and their pages."""
