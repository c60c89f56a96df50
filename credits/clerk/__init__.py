"""Clerk as the source of identity and billing: its tables, its Backend API, and the parsing of its
JSON. Its rooms are `auth`, `billing`, `webhooks` and `sync`."""
