"""The inbox of webhooks: its list, one delivery, and replays."""
