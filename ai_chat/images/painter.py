"""Images being made: asked of the provider, checked, and put into the storage."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from ai_chat import files
from ai_chat.images.verify import NotAnImage, Verified, verify
from ai_chat.jobs.ending import Outcome
from ai_chat.jobs.running import Stopped, Work
from ai_chat.models import Image, ImageRequest
from ai_chat.providers.client import Cancellable
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.images import paint
from credits.reasons import Reason

logger = logging.getLogger(__name__)

State = ImageRequest.State


class Kept(NamedTuple):
    """A verified image under its name in the storage."""

    name: str
    image: Verified


class Painting(Work[ImageRequest]):
    """The images of one request. The charge stands for those that were kept."""

    def __init__(self, job: ImageRequest) -> None:
        super().__init__(job)
        self._call = Cancellable()
        self._painted: list[Kept] = []
        self._missing: Reason | None = None
        #: What the outcome counts: nothing more once the work was stopped.
        self._delivered: list[Kept] = []

    def perform(self, publish: Callable[[str], bool]) -> None:
        job = self.job
        contents = paint(
            model=job.model, prompt=job.prompt, size=job.size, count=job.count, call=self._call
        )
        self._missing = Reason.EMPTY_RESULT if len(contents) < job.count else None
        for content in contents:
            self._missing = self._keep_file(content) or self._missing
        if not publish(""):  # Stopped meanwhile: nobody knows of these files.
            files.discard(each.name for each in self._painted)

    def _keep_file(self, content: bytes | None) -> Reason | None:
        if content is None:
            return Reason.EMPTY_RESULT
        try:
            image = verify(content)
            name = files.save(f"{self.job.folder}/{uuid4()}.{image.ending}", content)
        except NotAnImage as error:
            logger.warning("%s: no usable image (%s)", self.job, error)
            return Reason.INVALID_IMAGE
        except files.StorageFailed:
            return Reason.STORAGE_FAILED
        self._painted.append(Kept(name, image))
        return None

    def cancel(self) -> None:
        self._call.cancel()

    def outcome(self, cause: Exception | None, text: str) -> Outcome:
        if isinstance(cause, Stopped):
            return Outcome(State.FAILED, Reason.STOPPED_EARLY, delivered=0)
        failure = cause.reason if isinstance(cause, ProviderError) else self._missing
        self._delivered = self._painted
        delivered, wanted = len(self._delivered), self.job.count
        state = State.PARTIAL if delivered else State.FAILED
        state = State.DELIVERED if delivered == wanted else state
        return Outcome(state, failure or "", delivered)

    def keep(self, text: str, *, lost: bool) -> Mapping[str, Any]:
        if not lost:
            Image.objects.bulk_create(
                Image(
                    request=self.job,
                    file=each.name,
                    content_type=each.image.content_type,
                    width=each.image.width,
                    height=each.image.height,
                    bytes=len(each.image.content),
                    position=position,
                )
                for position, each in enumerate(self._delivered)
            )
        return {}

    def ended(self, *, kept: bool) -> None:
        """Discards the files of a request that was ended elsewhere: they belong to nobody."""
        names = [each.name for each in self._delivered]
        # An earlier try may have kept them whose answer was lost.
        if names and not kept and not Image.objects.filter(file__in=names).exists():
            files.discard(names)
