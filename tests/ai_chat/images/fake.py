"""What an image provider sends, honest or not."""

import base64
from io import BytesIO

from PIL import Image

from tests.fakes.scripted import ScriptedProvider


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
