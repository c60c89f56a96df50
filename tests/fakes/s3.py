"""An S3-compatible store: the few calls that a storage makes, in S3's own wire format."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.serving import serving

ACCESS_KEY, SECRET_KEY, BUCKET = "AKIATALLY", "a-secret-of-the-store", "pictures"


class FakeS3(ThreadingHTTPServer):
    """`objects` are what is kept, by key; `down` answers everything with a 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.down = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeS3

    def log_message(self, *args: object) -> None:
        """Tests need no log of it."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def _key(self) -> str | None:
        """The object named, after the doors everything passes; None when that was an answer."""
        bucket, _, key = unquote(urlsplit(self.path).path)[1:].partition("/")
        if self.server.down:
            self._refuse(503, "SlowDown")
        elif f"Credential={ACCESS_KEY}/" not in self.headers.get("Authorization", ""):
            self._refuse(403, "AccessDenied")
        elif bucket != BUCKET:
            self._refuse(404, "NoSuchBucket")
        else:
            return key
        return None

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            body = b"".join(_chunks(body))
        key = self._key()
        if key is not None:
            self.server.objects[key] = body
            self._answer(200, ETag=_etag(body))

    def do_GET(self) -> None:
        key = self._key()
        if key is None:
            return
        query = parse_qs(urlsplit(self.path).query)
        if not key:
            self._list(query.get("prefix", [""])[0], query.get("delimiter", [""])[0])
        elif key in self.server.objects:
            body = self.server.objects[key]
            modified = formatdate(usegmt=True)
            self._answer(200, body, ETag=_etag(body), Last_Modified=modified)
        else:
            self._refuse(404, "NoSuchKey")

    do_HEAD = do_GET  # noqa: N815 - the server's name for it

    def do_DELETE(self) -> None:
        key = self._key()
        if key is not None:
            self.server.objects.pop(key, None)
            self._answer(204)

    def _list(self, prefix: str, delimiter: str) -> None:
        """The keys with this prefix; those with the delimiter behind it as the folders they are
        in."""
        contents, folders = "", set()
        for key, body in sorted(self.server.objects.items()):
            head, is_in_folder, _ = key.removeprefix(prefix).partition(delimiter or "\0")
            if key.startswith(prefix) and is_in_folder:
                folders.add(f"{prefix}{head}{delimiter}")
            elif key.startswith(prefix):
                contents += f"<Contents><Key>{key}</Key><Size>{len(body)}</Size></Contents>"
        listed = "".join(
            f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
            for folder in sorted(folders)
        )
        answer = f"<IsTruncated>false</IsTruncated>{contents}{listed}"
        answer = f"<ListBucketResult>{answer}</ListBucketResult>"
        self._answer(200, answer.encode(), Content_Type="application/xml")


def _etag(body: bytes) -> str:
    return f'"{md5(body, usedforsecurity=False).hexdigest()}"'


def _chunks(body: bytes) -> Iterator[bytes]:
    """The parts of a body sent as aws-chunked: their size in hexadecimal, a line, the bytes."""
    while body:
        line, _, rest = body.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        if not size:
            return
        yield rest[:size]
        body = rest[size + 2 :]


@contextmanager
def running_s3() -> Iterator[FakeS3]:
    server = FakeS3()
    with serving(server):
        yield server
