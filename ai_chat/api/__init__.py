"""Chats and images in JSON, as the AI SDK speaks it."""
