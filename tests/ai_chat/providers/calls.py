"""Calls of a provider, made without a site."""

import threading
from collections.abc import Iterable
from typing import Any

from ai_chat.providers.chat import AnswerStream
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Piece, Usage
from ai_chat.providers.usage import Flag
from ai_chat.providers.used import Used
from credits.models import AIModel, Provider, Use
from credits.uses import Tokens
from tests.fakes.scripted import ScriptedProvider


def calling(
    provider: ScriptedProvider, *, max_tokens: int | None = None, **columns: Any
) -> AnswerStream:
    """A call that is sent when it is iterated; `columns` are the model's."""
    model = AIModel(provider_model="m", provider=Provider(base_url=provider.base_url), **columns)
    return AnswerStream(
        model=model,
        messages=[{"role": "user", "content": "Hi"}],
        temperature=None,
        max_tokens=max_tokens,
    )


def took(usage: Usage, source: Use.Source, flags: Iterable[Flag] = ()) -> Used:
    """What a call is taken to have used."""
    return Used(Tokens(*usage, source), frozenset(flags))


class Asking(threading.Thread):
    """A call in a thread of its own: its pieces, and why it failed."""

    def __init__(self, stream: AnswerStream) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.pieces: list[Piece] = []
        self.error: ProviderError | None = None
        self.start()

    def run(self) -> None:
        try:
            for piece in self.stream:
                self.pieces.append(piece)
        except ProviderError as error:
            self.error = error

    def has_ended(self) -> bool:
        return not self.is_alive()
