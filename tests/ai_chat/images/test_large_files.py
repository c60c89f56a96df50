"""Images of some megabytes, which a browser asks for all at once and slow readers take long for."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ai_chat.models import Image, ImageRequest
from credits.models import User
from tests.ai_chat.api.client import Program
from tests.fakes.provider import FakeProvider
from tests.live import Site

#: More bytes than sockets take from a server whose client does not read.
LARGE = 12_000_000


def test_large_images_are_all_sent_at_the_same_time(
    keep_site: Callable[..., Site], provider: FakeProvider, var: Path, alice: User
) -> None:
    """Far more than the site has threads for one user, or at all: none waits, none is refused."""
    site = keep_site(
        OPENAI_BASE_URL=provider.base_url, VAR_DIR=str(var), WEB_WORKERS="1", WEB_THREADS="16"
    )
    program = Program(site, alice)
    program.paint("A tree").raise_for_status()
    image = ImageRequest.objects.get().images.get()
    (var / "media" / image.file).write_bytes(b"x" * LARGE)
    Image.objects.update(bytes=LARGE)
    path = f"/images/{image.pk}/file"
    with ExitStack() as stack:
        readers = [stack.enter_context(program.client.stream("GET", path)) for _ in range(24)]
        assert {reader.status_code for reader in readers} == {200}
        assert program.client.get("/images").status_code == 200
        assert {len(reader.read()) for reader in readers} == {LARGE}
    assert program.client.head(path).headers["Content-Length"] == str(LARGE)
    assert program.client.get(path, headers={"If-None-Match": f'"{image.pk}"'}).status_code == 304
