"""Between granian, which speaks ASGI, and Django's WSGI application in threads: everything about a
request that takes time is waited for without a thread, and has a bound of size, number and time."""
