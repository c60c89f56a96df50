"""Images being made: asked of the provider, checked, and put into the storage."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
from ai_chat.providers.pieces import Piece
from credits.models import AIModel
from credits.reasons import Reason

logger = logging.getLogger(__name__)

State = ImageRequest.State


class Painting(Work[ImageRequest]):
    """The images of one request, by as many calls at the same time as the model needs for them. The
    charge stands for those that were kept; a call that fails costs the others nothing."""

    def __init__(self, job: ImageRequest, model: AIModel) -> None:
        super().__init__(job, model)
        whole, rest = divmod(job.count, model.images_per_call)
        self._counts = [model.images_per_call] * whole + [rest] * (rest > 0)
        self._calls = [Cancellable() for _ in self._counts]
        self._missing: Reason | None = None
        self._painted: list[Image] = []
        #: What the outcome counts, decided once: what is painted after a stop belongs to nobody.
        self._delivered: list[Image] | None = None
        self._lock = threading.Lock()

    def with_model(self, model: AIModel) -> "Painting | None":
        # What was painted is kept, and paid for.
        cannot = self._painted or (model.sizes and self.job.size not in model.sizes)
        return None if cannot else Painting(self.job, model)

    def perform(self, publish: Callable[[Piece], bool]) -> None:
        with ThreadPoolExecutor(len(self._calls), "painting") as pool:
            results = [*pool.map(self._call, self._calls, self._counts)]
        failures = [result for result in results if result]
        if failures:
            # All that comes back has one reason: the payer's own doing only when nothing else is.
            raise min(failures, key=lambda failure: failure.reason.by_payer)

    def _call(self, call: Cancellable, count: int) -> ProviderError | None:
        """One call of the provider, and its images kept; how it failed, if it did."""
        job = self.job
        try:
            contents = paint(
                model=self.model, prompt=job.prompt, size=job.size, count=count, call=call
            )
        except ProviderError as error:
            return error
        if len(contents) < count:
            self._missing = Reason.EMPTY_RESULT
        for content in contents:
            self._missing = self._keep_file(content) or self._missing
        return None

    def _keep_file(self, content: bytes | Reason) -> Reason | None:
        if isinstance(content, Reason):
            return content
        try:
            verified = verify(content)
            name = files.save(f"{self.job.folder}/{uuid4()}.{verified.ending}", content)
        except NotAnImage as error:
            logger.warning("%s: no usable image (%s)", self.job, error)
            return Reason.INVALID_IMAGE
        except files.StorageFailed:
            return Reason.STORAGE_FAILED
        with self._lock:
            in_time = self._delivered is None
            if in_time:
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
        if not in_time:
            files.discard([name])
        return None

    def cancel(self) -> None:
        for call in self._calls:
            call.cancel()

    def outcome(self, cause: Exception | None, text: str) -> Outcome:
        with self._lock:
            self._delivered = self._painted
        failure = self._missing
        if isinstance(cause, ProviderError) and not (failure and cause.reason.by_payer):
            failure = cause.reason
        elif isinstance(cause, Stopped):
            failure = Reason.STOPPED_EARLY
        delivered = len(self._delivered)
        state = State.PARTIAL if delivered else State.FAILED
        if delivered == self.job.count:
            state, failure = State.DELIVERED, None
        return Outcome(state, failure or "", delivered)

    def keep(self, text: str, reasoning: str, *, lost: bool) -> Mapping[str, Any]:
        if not lost:
            Image.objects.bulk_create(self._delivered or [])
        return {}

    def ended(self, job: ImageRequest | None, *, kept: bool) -> None:
        """Discards the files of a request that was ended elsewhere: they belong to nobody."""
        names = [image.file for image in self._delivered or []]
        # An earlier try may have kept them whose answer was lost.
        if names and not kept and not Image.objects.filter(file__in=names).exists():
            files.discard(names)
