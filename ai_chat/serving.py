"""Serving files of the storage to their owners."""

from typing import Any, Protocol
from uuid import UUID

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.csp import CSP
from django.views.decorators.cache import cache_control
from django.views.decorators.csp import csp_override

from config.serving.answers import HELD, is_on_disk
from config.serving.capacity import keeps_its_thread


class Stored(Protocol):
    """A row with a file in the storage, which never changes."""

    id: UUID
    file: str
    bytes: int
    content_type: str

    @property
    def filename(self) -> str:
        """What a download is called."""

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture that was verified: browsers save anything else."""


@cache_control(private=True, no_cache=True)
@csp_override({"default-src": [CSP.NONE], "sandbox": [""], "frame-ancestors": [CSP.NONE]})
def serve(request: HttpRequest, stored: Stored) -> HttpResponseBase:
    """The file to its owner, whom the caller has checked: never run, never shown in a frame, never
    from a cache without asking. `?download` saves it."""
    etag = f'"{stored.id}"'
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return unchanged
    try:
        content = default_storage.open(stored.file)
    except FileNotFoundError:
        raise Http404 from None
    # A large one from elsewhere keeps its thread while the client reads.
    is_free = stored.bytes <= HELD or is_on_disk(content)
    send = _send if is_free else keeps_its_thread(_send)
    return send(request, stored, content, etag)


def _send(request: HttpRequest, stored: Stored, content: Any, etag: str) -> HttpResponseBase:
    return FileResponse(
        content,
        as_attachment="download" in request.GET or not stored.is_picture,
        filename=stored.filename,
        content_type=stored.content_type,
        headers={"ETag": etag},
    )
