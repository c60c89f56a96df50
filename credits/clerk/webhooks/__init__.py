"""Deliveries of webhooks: verified, stored once, handled, replayed, and their payloads emptied."""
