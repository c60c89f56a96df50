"""Serving an image's file."""

from typing import Any

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.csp import CSP
from django.views.decorators.cache import cache_control
from django.views.decorators.csp import csp_override

from ai_chat.models import Image, SharePicture
from config.serving.answers import HELD, is_on_disk
from config.serving.capacity import keeps_its_thread


@cache_control(private=True, no_cache=True)
@csp_override({"default-src": [CSP.NONE], "sandbox": [""], "frame-ancestors": [CSP.NONE]})
def serve(request: HttpRequest, image: Image | SharePicture) -> HttpResponseBase:
    """The file to whoever may see it, whom the caller has checked: never run, never shown in a
    frame, never from a cache without asking. `?download` saves it."""
    etag = f'"{image.pk}"'
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return unchanged
    try:
        content = default_storage.open(image.file)
    except FileNotFoundError:
        raise Http404 from None
    # A large one from elsewhere keeps its thread while the client reads.
    is_free = image.bytes <= HELD or is_on_disk(content)
    send = _file if is_free else keeps_its_thread(_file)
    return send(request, image, content, etag)


def _file(
    request: HttpRequest, image: Image | SharePicture, content: Any, etag: str
) -> HttpResponseBase:
    return FileResponse(
        content,
        as_attachment="download" in request.GET,
        filename=image.filename,
        content_type=image.content_type,
        headers={"ETag": etag},
    )
