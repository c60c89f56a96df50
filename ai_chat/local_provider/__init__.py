"""The demo's provider: an OpenAI-compatible HTTP server with a small model and a painter.

`manage.py local_provider` starts it, so that the whole product can be tried without a key.
"""
