"""Conversations: the paid message and its answer, and reading and keeping what was said."""
