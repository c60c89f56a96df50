"""Draws a picture for a prompt: no model, a composition chosen by the prompt's words.

The same prompt, index and size give the same picture, pixel for pixel; what the words leave open
is drawn by lot, from a seed made of all three.
"""

import io
import random
import re
from hashlib import sha256

from PIL import Image, ImageDraw, ImageFont

from ai_chat.local_provider.painter.canvas import Canvas
from ai_chat.local_provider.painter.palette import choose_palette
from ai_chat.local_provider.painter.scenes import choose_details, choose_scene

CAPTION = "Drawn from your words by Tally's local painter"
# Twice the size, then halved, smooths every edge; above this many pixels it is not worth the time.
_SMOOTH_PIXELS = 1_600_000


def paint(prompt: str, *, index: int, width: int, height: int) -> bytes:
    """The PNG of picture number `index` for a prompt, `width` by `height` pixels."""
    words = re.findall(r"[a-z]+", prompt.lower())
    rng = random.Random(_seed(prompt, index, width, height))
    scale = 2 if width * height <= _SMOOTH_PIXELS else 1
    canvas = Canvas(width * scale, height * scale, rng, choose_palette(words, rng))
    scene = choose_scene(words, rng)
    scene(canvas)
    for detail in choose_details(words, scene):
        detail(canvas)
    image = canvas.image.reduce(scale) if scale > 1 else canvas.image
    _caption(image)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=4)
    return out.getvalue()


def _seed(prompt: str, index: int, width: int, height: int) -> int:
    text = f"{prompt}\0{index}\0{width}x{height}"
    return int.from_bytes(sha256(text.encode()).digest()[:8])


def _caption(image: Image.Image) -> None:
    size = max(9.0, min(image.size) / 54)
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(CAPTION)
    pad = size * 0.55
    x, y = pad * 1.6, image.height - (bottom - top) - pad * 2.6
    plate = Image.new("L", image.size)
    box = (x - pad, y - pad, x + right - left + pad, y + bottom - top + pad)
    ImageDraw.Draw(plate).rounded_rectangle(box, radius=pad, fill=105)
    image.paste("black", mask=plate)
    ImageDraw.Draw(image).text((x - left, y - top), CAPTION, font=font, fill="white")
