"""What has come of an answer, as far as its tokens are counted by it."""

from ai_chat.providers.pieces import Usage
from ai_chat.providers.usage import Flag, Flags, read_usage


class Received:
    """What has come of one answer so far. The thread that reads the answer writes here; others may
    read at any time, so that a call that is broken off has the latest figures."""

    def __init__(self) -> None:
        #: Of UTF-8: text, reasoning and arguments of tools.
        self.bytes = 0
        #: Those that were not empty: each is a token at least.
        self.deltas = 0
        #: The last complete counts that can be true. They are never added up: some providers send
        #: the sum so far with every chunk.
        self.usage: Usage | None = None
        self.flags: Flags = frozenset()
        #: The deltas that had come by then.
        self._deltas_counted = 0

    @property
    def is_outdated(self) -> bool:
        """Whether more has come since the counts than they say: the call was broken off, or its
        provider counts only at its beginning."""
        written = self.usage.output if self.usage else 0
        return self.deltas > max(written, self._deltas_counted)

    def add(self, text: str) -> None:
        """Text that a delta holds."""
        self.bytes += len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))

    def note(self, counts: object) -> None:
        """What a chunk carries as its usage, after what it has of the answer; any JSON."""
        usage, flags = read_usage(counts)
        if usage and not any(usage) and any(self.usage or ()):
            usage, flags = None, flags | {Flag.ZEROED}
        self.flags |= flags
        if usage:
            self.usage, self._deltas_counted = usage, self.deltas
