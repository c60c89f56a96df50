"""The demo's provider, for trying the whole product without a key: an OpenAI-compatible HTTP server
with a small model and a painter. `manage.py local_provider` starts it."""
