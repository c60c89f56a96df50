"""An images endpoint that answers with whatever body a test hands it, over HTTP: for what no honest
provider sends."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from PIL import Image

from tests.fakes.strict import problem_of


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 64)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, "teal").save(out, kind)
    return out.getvalue()


def entry(content: bytes) -> dict[str, str]:
    return {"b64_json": base64.b64encode(content).decode()}


class FakePainter:
    """`answer` is the next body (bytes are sent as they are) and `status` its status; or `answer`
    is a function from what was asked to both. A `strict` one answers 400 to messages that not
    every model takes."""

    def __init__(self) -> None:
        self.base_url = ""
        self.reset()

    def reset(self) -> None:
        self.answer: Any = {}
        self.status = 200
        self.strict = False
        self.calls: list[dict[str, Any]] = []

    def will_send(self, *contents: bytes) -> None:
        self.status, self.answer = 200, {"created": 1, "data": [entry(each) for each in contents]}


@contextmanager
def fake_painter() -> Iterator[FakePainter]:
    painter = FakePainter()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            painter.calls.append(json.loads(self.rfile.read(length)))
            status, answer = painter.status, painter.answer
            if callable(answer):
                status, answer = answer(painter.calls[-1])
            if painter.strict and (problem := problem_of(painter.calls[-1]["messages"])):
                status, answer = 400, {"error": {"message": problem}}
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    painter.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield painter
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
