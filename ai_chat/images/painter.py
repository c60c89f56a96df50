"""Images being made: asked of the provider, checked, and put into the storage."""

import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from ai_chat import files
from ai_chat.images.verify import NotAnImage, verify
from ai_chat.jobs.ending import Outcome
from ai_chat.jobs.running import Stopped, Work
from ai_chat.models import Image, ImageRequest
from ai_chat.providers.connections import Cancellable
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.images import paint
from ai_chat.providers.pieces import Alive, Piece
from credits.models import AIModel
from credits.reasons import Reason

logger = logging.getLogger(__name__)

State = ImageRequest.State


class Painting(Work[ImageRequest]):
    """The images of one request. The charge stands for those that were kept."""

    def __init__(self, job: ImageRequest, model: AIModel) -> None:
        super().__init__(job)
        self._model = model
        self._call = Cancellable()
        self._painted: list[Image] = []
        self._missing: Reason | None = None
        #: What the outcome counts: nothing more once the work was stopped.
        self._delivered: list[Image] = []

    def perform(self, publish: Callable[[Piece], bool]) -> None:
        job = self.job
        contents = paint(
            model=self._model, prompt=job.prompt, size=job.size, count=job.count, call=self._call
        )
        self._missing = Reason.EMPTY_RESULT if len(contents) < job.count else None
        for content in contents:
            self._missing = self._keep_file(content) or self._missing
        if not publish(Alive()):  # Stopped meanwhile: nobody knows of these files.
            files.discard(image.file for image in self._painted)

    def _keep_file(self, content: bytes | None) -> Reason | None:
        if content is None:
            return Reason.EMPTY_RESULT
        try:
            verified = verify(content)
            name = files.save(f"{self.job.folder}/{uuid4()}.{verified.ending}", content)
        except NotAnImage as error:
            logger.warning("%s: no usable image (%s)", self.job, error)
            return Reason.INVALID_IMAGE
        except files.StorageFailed:
            return Reason.STORAGE_FAILED
        image = Image(
            request=self.job,
            file=name,
            content_type=verified.content_type,
            width=verified.width,
            height=verified.height,
            bytes=len(content),
            position=len(self._painted),
        )
        self._painted.append(image)
        return None

    def cancel(self) -> None:
        self._call.cancel()

    def outcome(self, cause: Exception | None, text: str) -> Outcome:
        if isinstance(cause, Stopped):
            return Outcome(State.FAILED, Reason.STOPPED_EARLY, delivered=0)
        failure = cause.reason if isinstance(cause, ProviderError) else self._missing
        self._delivered = self._painted
        delivered = len(self._delivered)
        state = State.PARTIAL if delivered else State.FAILED
        state = State.DELIVERED if delivered == self.job.count else state
        return Outcome(state, failure or "", delivered)

    def keep(self, text: str, *, lost: bool) -> Mapping[str, Any]:
        if not lost:
            Image.objects.bulk_create(self._delivered)
        return {}

    def ended(self, *, kept: bool) -> None:
        """Discards the files of a request that was ended elsewhere: they belong to nobody."""
        names = [image.file for image in self._delivered]
        # An earlier try may have kept them whose answer was lost.
        if names and not kept and not Image.objects.filter(file__in=names).exists():
            files.discard(names)
