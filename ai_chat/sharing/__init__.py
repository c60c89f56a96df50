"""Chats that others read: copies under links, their ends, and what readers report. And entries of
a chat as somebody sees them who can only read."""
