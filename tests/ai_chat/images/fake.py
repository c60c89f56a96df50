"""What an image provider sends, honest or not."""

import base64
import threading
from io import BytesIO
from itertools import count
from typing import Any

from PIL import Image

from tests.fakes.scripted import ScriptedProvider
from tests.waiting import PATIENCE


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 64)) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, "teal").save(out, kind)
    return out.getvalue()


def entry(content: bytes) -> dict[str, str]:
    return {"b64_json": base64.b64encode(content).decode()}


class FakePainter(ScriptedProvider):
    """The scripted provider, which sends images too."""

    def will_send(self, *contents: bytes) -> None:
        self.status, self.answer = 200, {"created": 1, "data": [entry(each) for each in contents]}

    def will_send_one(self) -> threading.Event:
        """Sends an image to the first call, and to the others once the returned event is set."""
        others, numbers = threading.Event(), count()

        def answer(_: dict[str, Any]) -> tuple[int, Any]:
            if next(numbers):
                others.wait(PATIENCE)
            return 200, {"data": [entry(picture())]}

        self.answer = answer
        return others
