"""The adapter between granian (ASGI) and Django's WSGI application in threads: bodies, answers and
waiting requests keep no thread, and are bounded in size, number and time."""
