"""Having files read as uploads are, without the rest."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Picture

from ai_chat.attachments.errors import InvalidAttachment
from ai_chat.attachments.reader import read
from ai_chat.attachments.reading.result import Reading


class Files:
    """Reads files that are put into a folder."""

    def __init__(self, folder: Path) -> None:
        self._source, self._target = folder / "source", folder / "target"

    def read(self, content: bytes) -> Reading:
        self._source.write_bytes(content)
        return read(self._source, self._target)

    def text(self, content: bytes) -> str:
        return self.read(content)["text"]

    def refusal(self, content: bytes) -> str:
        """Why this file is not taken."""
        with pytest.raises(InvalidAttachment) as refused:
            self.read(content)
        assert not self._target.exists()
        return str(refused.value)

    def picture(self, content: bytes) -> Picture.Image:
        """The picture that is kept of one."""
        assert self.read(content)["kind"] == "picture"
        return Picture.open(BytesIO(self.kept))

    @property
    def kept(self) -> bytes:
        """The file of the picture that was kept last."""
        return self._target.read_bytes()
