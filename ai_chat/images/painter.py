"""Image requests at work: a thread for each, in the process that charged it, whoever is waiting."""

import logging
import threading
import time
from uuid import UUID

from django.db import Error as AnyDatabaseError

from ai_chat.images import files
from ai_chat.images.files import Kept, StorageFailed
from ai_chat.images.provider import paint
from ai_chat.images.services import FINISH_TRIES, finish_request
from ai_chat.images.verify import NotAnImage, verify
from ai_chat.models import ImageRequest
from ai_chat.provider import ProviderError, ProviderRefusal, ProviderTimeout
from ai_chat.runner import released_connection

logger = logging.getLogger(__name__)

_works: dict[UUID, threading.Event] = {}


def start_painting(request: ImageRequest) -> None:
    """Calls the provider for a request that was just charged, in a thread of its own: a lost
    browser changes nothing."""
    _works[request.pk] = threading.Event()
    threading.Thread(target=_work, args=[request], name=f"images-{request.pk}", daemon=True).start()


def wait_for_images(request_id: UUID, seconds: float | None = None) -> bool:
    """Waits until this process has finished the request, at most `seconds`. Returns whether there
    is nothing (more) to wait for here."""
    work = _works.get(request_id)
    return work is None or work.wait(seconds)


def _work(request: ImageRequest) -> None:
    kept: list[Kept] = []
    try:
        failure = _paint(request, kept)
        if not _finish(request, kept, failure):
            files.discard(each.name for each in kept)
    finally:
        _works.pop(request.pk).set()


def _paint(request: ImageRequest, kept: list[Kept]) -> ImageRequest.Failure | None:
    """Adds what was delivered to `kept`; returns why something is missing, if it is."""
    try:
        contents = paint(
            model=request.model, prompt=request.prompt, size=request.size, count=request.count
        )
    except ProviderError as error:
        logger.warning("image request %s failed: %s", request.pk, type(error).__name__)
        return _failure(error)
    missing = ImageRequest.Failure.EMPTY if len(contents) < request.count else None
    for content in contents:
        missing = _keep(request, content, kept) or missing
    return missing


def _keep(
    request: ImageRequest, content: bytes | None, kept: list[Kept]
) -> ImageRequest.Failure | None:
    if content is None:
        return ImageRequest.Failure.EMPTY
    try:
        kept.append(files.keep(request, verify(content)))
    except NotAnImage as error:
        logger.warning("image request %s: no usable image (%s)", request.pk, error)
        return ImageRequest.Failure.INVALID
    except StorageFailed:
        return ImageRequest.Failure.STORAGE
    return None


def _failure(error: ProviderError) -> ImageRequest.Failure:
    if isinstance(error, ProviderTimeout):
        return ImageRequest.Failure.TIMEOUT
    if isinstance(error, ProviderRefusal):
        return ImageRequest.Failure.REFUSED
    return ImageRequest.Failure.PROVIDER_ERROR


def _finish(request: ImageRequest, kept: list[Kept], failure: ImageRequest.Failure | None) -> bool:
    for attempt in range(FINISH_TRIES):
        try:
            with released_connection():
                return finish_request(request_id=request.pk, kept=kept, failure=failure)
        except AnyDatabaseError:
            logger.warning("image request %s could not be ended (try %d)", request.pk, attempt + 1)
            time.sleep(0.2 * 3**attempt)
    # Whether the last try was committed is not known: the files stay, found by their folder.
    return True
