"""How a fake HTTP server runs in the process of the tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Lets the server answer in a thread of its own, then closes it. The pause (seconds) bounds how
    long its end takes; the standard library's is half a second."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
