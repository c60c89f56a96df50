"""From the bytes of a provider's answer to its pieces, whatever dialect they are in."""

from collections.abc import Iterable, Iterator

from ai_chat.providers.pieces import Piece


def read_answer(chunks: Iterable[bytes], *, tools_offered: bool = False) -> Iterator[Piece]:
    """The pieces of an answer as its bytes come, streamed or whole. Raises ProviderError unless it
    ends well; after End no error is raised."""
    raise NotImplementedError
