"""Shared chats that readers reported. Of others admins see nothing."""
