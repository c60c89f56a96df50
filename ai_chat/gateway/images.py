"""POST /v1/images/generations: images, paid one by one (design: gateway, A.6). They are in the
answer alone: nothing of them is kept here."""

import base64
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse

from ai_chat.calls.counts import count_call
from ai_chat.gateway.auth import caller_of
from ai_chat.gateway.bodies import count_in, names_beside, read_body, refuse, text_in
from ai_chat.gateway.calls import Call, start_call
from ai_chat.gateway.catalogue import model_named
from ai_chat.gateway.errors import (
    ApiError,
    call_stopped,
    end_not_recorded,
    invalid,
    provider_failed,
)
from ai_chat.gateway.headers import charge_headers, ended_headers
from ai_chat.gateway.json_output import json_response
from ai_chat.images.painter import Painter
from ai_chat.images.requests import MAX_IMAGES, check_size, checked, usual_size
from ai_chat.images.verify import Verified
from ai_chat.jobs.supervision import begin_driven
from ai_chat.jobs.work import Bounds
from ai_chat.models import ApiCall
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.images import Entry, Picture
from config.serving.capacity import keeps_a_thread
from credits.features import IMAGE
from credits.models import AIModel
from credits.reasons import Reason
from credits.uses import Asked

State = ApiCall.State
ENDPOINT = "images/generations"
FORMS = ("b64_json", "url")
READ = ("model", "prompt", "n", "size", "response_format", "user")
#: What costs or changes what has no price here, and the values that do not.
REFUSED: dict[str, tuple[Any, ...]] = {
    "stream": (False,),
    "partial_images": (0,),
    "quality": ("auto", "standard"),
    "style": ("vivid",),
    "background": ("auto",),
    "output_format": ("png",),
    "output_compression": (100,),
    "moderation": ("auto",),
}


def generations(http: HttpRequest) -> HttpResponse:
    """Answers with the images that were made; those that were not have cost nothing."""
    caller = caller_of(http)
    body = read_body(http)
    call = images_call(http, body, model_named(text_in(body, "model"), caller, feature=IMAGE))
    with keeps_a_thread(caller.account_id):
        job = start_call(http, caller, call)
        run = begin_driven(CalledPainter(job, call))
        connections.close_all()  # What waits for a provider keeps no connection of the pool.
        for _ in run.drive():
            pass
        work = run.work
        assert isinstance(work, CalledPainter)
        job = run.job or job
        headers = charge_headers(job, call.ignored)
        if error := _error_of(run.job):
            error.headers |= headers
            raise error
    answer = {"created": int(time.time()), "data": work.delivered}
    return json_response(answer, {**headers, **ended_headers(job)})


def images_call(http: HttpRequest, body: Mapping[str, Any], model: AIModel) -> Call:
    """What a body asks of a model. Raises InvalidInput, Unsupported."""
    refuse(body, REFUSED, "It has no price here.")
    count = count_in(body, "n", 1, MAX_IMAGES) or 1
    size = text_in(body, "size", default="auto")
    size = usual_size(model) if size == "auto" else size
    prompt = checked(text_in(body, "prompt"), size, count)
    check_size(model, size)
    form = text_in(body, "response_format", default=FORMS[0])
    if form not in FORMS:
        raise invalid(f"Must be one of {', '.join(FORMS)}.", "response_format")
    return Call(
        endpoint=ENDPOINT,
        model=model,
        body={"prompt": prompt, "size": size, "response_format": form},
        asked=Asked(0, 0, 0, named=True, choices=count),
        text_bytes=len(prompt.encode()),
        streamed=False,
        body_digest=http.META["BODY_DIGEST"],
        ignored=names_beside(body, *READ, *REFUSED),
    )


class CalledPainter(Painter[ApiCall, dict[str, str]]):
    """The images of one call, each as its entry in the answer."""

    keeps = False

    def __init__(self, job: ApiCall, call: Call, model: AIModel | None = None) -> None:
        picture = Picture(call.body["prompt"], call.body["size"], call.asked.choices)
        super().__init__(job, model or call.model, picture)
        self.call = call
        self.addresses = call.body["response_format"] == "url"
        # The provider has IMAGE_SECONDS, which may be more than a lease: it is renewed.
        self.bounds = Bounds(*[settings.API_CALL_SECONDS] * 3)

    def with_model(self, model: AIModel) -> "CalledPainter | None":
        can = self.can_fall_back(model)
        return CalledPainter(self.job, self.call, model) if can else None

    def kept(self, entry: Entry, verified: Verified | None) -> dict[str, str]:
        revised = {"revised_prompt": entry.revised_prompt} if entry.revised_prompt else {}
        if isinstance(entry.image, bytes):
            return {"b64_json": base64.b64encode(entry.image).decode(), **revised}
        return {"url": str(entry.image), **revised}

    def state_of(self, delivered: int) -> str:
        return State.DONE if delivered else State.FAILED

    def ended(self, job: ApiCall | None, *, kept: bool) -> None:
        if job:
            count_call(job)


def _error_of(job: ApiCall | None) -> ApiError | None:
    """Why a call that has ended (None: that could not be saved) has no image at all; None if it has
    one."""
    if job is None:
        return end_not_recorded()
    if job.state == State.DONE:
        return None
    if job.failure == Reason.STOPPED_EARLY:
        return call_stopped()
    return provider_failed(ProviderError(Reason(job.failure), retry_seconds=job.retry_seconds))
