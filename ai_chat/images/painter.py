"""Images being made: asked of the provider, checked, and put into the storage."""

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

from ai_chat import files
from ai_chat.images.verify import NotAnImage, Verified, verify
from ai_chat.jobs.ending import Outcome
from ai_chat.jobs.models import Job
from ai_chat.jobs.work import Stopped, Work
from ai_chat.models import Image, ImageRequest
from ai_chat.providers.connections import Cancellable
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.images import Entry, Picture, paint
from ai_chat.providers.pieces import Piece
from credits.models import AIModel
from credits.reasons import Reason

logger = logging.getLogger(__name__)

State = ImageRequest.State


class Painter[J: Job, P](Work[J]):
    """The images of one prompt, by as many calls at the same time as the model needs for them. The
    charge stands for those that were delivered; a call that fails costs the others nothing. What a
    delivered one is (`P`) the kind of job says."""

    #: Whether images of which the provider sends no more than the address count as delivered.
    addresses = False

    def __init__(self, job: J, model: AIModel, picture: Picture) -> None:
        super().__init__(job, model)
        self.picture = picture
        whole, rest = divmod(picture.many, model.images_per_call)
        self._counts = [model.images_per_call] * whole + [rest] * (rest > 0)
        self._calls = [Cancellable() for _ in self._counts]
        self._missing: Reason | None = None
        self._painted: list[P] = []
        #: What the outcome counts, decided once: what is painted after a stop belongs to nobody.
        self._delivered: list[P] | None = None
        self._lock = threading.Lock()

    @property
    def delivered(self) -> list[P]:
        """What the outcome counts."""
        return self._delivered or []

    def can_fall_back(self, model: AIModel) -> bool:
        """Whether the model can do the same from the beginning: what was painted is kept, and paid
        for."""
        return not self._painted and (not model.sizes or self.picture.size in model.sizes)

    def perform(self, publish: Callable[[Piece], bool]) -> None:
        for _ in self.pieces():
            pass

    def pieces(self) -> Generator[Piece]:
        """Paints; there are no pieces: images come all at once."""
        with ThreadPoolExecutor(len(self._calls), "painting") as pool:
            results = [*pool.map(self._call, self._calls, self._counts)]
        failures = [result for result in results if result]
        if failures:
            # All that comes back has one reason: the payer's own doing only when nothing else is.
            raise min(failures, key=lambda failure: failure.reason.by_payer)
        yield from ()

    def _call(self, call: Cancellable, count: int) -> ProviderError | None:
        """One call of the provider, and its images kept; how it failed, if it did."""
        try:
            entries = paint(
                model=self.model,
                picture=self.picture._replace(many=count),
                addresses=self.addresses,
                call=call,
            )
        except ProviderError as error:
            return error
        if len(entries) < count:
            self._missing = Reason.EMPTY_RESULT
        for entry in entries:
            self._missing = self._keep_entry(entry) or self._missing
        return None

    def _keep_entry(self, entry: Entry) -> Reason | None:
        """Keeps an image; why it cannot be delivered, if it cannot."""
        if isinstance(entry.image, Reason):
            return entry.image
        try:
            kept = self.kept(entry, verify(entry.image) if isinstance(entry.image, bytes) else None)
        except NotAnImage as error:
            logger.warning("%s: no usable image (%s)", self.job, error)
            return Reason.INVALID_IMAGE
        except files.StorageFailed:
            return Reason.STORAGE_FAILED
        with self._lock:
            if in_time := self._delivered is None:
                self._painted.append(kept)
        if not in_time:
            self.discard(kept)
        return None

    @abstractmethod
    def kept(self, entry: Entry, verified: Verified | None) -> P:
        """An image as it is delivered, with what decoding it has shown; None for an address. Raises
        StorageFailed."""

    def discard(self, painted: P) -> None:
        """An image came too late."""

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
        if delivered == self.picture.many:
            failure = None
        return Outcome(self.state_of(delivered), failure or "", delivered)

    @abstractmethod
    def state_of(self, delivered: int) -> str:
        """The state of a job of which so many images were delivered."""


class Painting(Painter[ImageRequest, Image]):
    """The images of one request, kept in the storage."""

    def __init__(self, job: ImageRequest, model: AIModel) -> None:
        super().__init__(job, model, Picture(job.prompt, job.size, job.count))

    def with_model(self, model: AIModel) -> "Painting | None":
        return Painting(self.job, model) if self.can_fall_back(model) else None

    def kept(self, entry: Entry, verified: Verified | None) -> Image:
        content = entry.image
        assert verified
        assert isinstance(content, bytes)
        return Image(
            request=self.job,
            file=files.save(f"{self.job.folder}/{uuid4()}.{verified.ending}", content),
            content_type=verified.content_type,
            width=verified.width,
            height=verified.height,
            bytes=len(content),
        )

    def discard(self, painted: Image) -> None:
        files.discard([painted.file])

    def state_of(self, delivered: int) -> str:
        if delivered == self.picture.many:
            return State.DELIVERED
        return State.PARTIAL if delivered else State.FAILED

    def keep(self, text: str, reasoning: str, *, lost: bool) -> Mapping[str, Any]:
        if not lost:
            for position, image in enumerate(self.delivered):
                image.position = position
            Image.objects.bulk_create(self.delivered)
        return {}

    def ended(self, job: ImageRequest | None, *, kept: bool) -> None:
        """Discards the files of a request that was ended elsewhere: they belong to nobody."""
        names = [image.file for image in self.delivered]
        # An earlier try may have kept them whose answer was lost.
        if names and not kept and not Image.objects.filter(file__in=names).exists():
            files.discard(names)
