"""Draws a picture for a prompt without a model: words choose the light, the scene and the things.

The rest is random, seeded with prompt, index and size: the same three give the same pixels.
"""

import io
import random
import re
import tomllib
from pathlib import Path

from PIL import Image, ImageColor, ImageDraw, ImageFont, ImageOps

from ai_chat.local_provider.painter.picture import Picture

CAPTION = "Drawn from your words by Tally's local painter"
_SMOOTH_PIXELS = 1_600_000  # up to here drawn twice as large, then halved: smooth, but slow
_SHARED_COLOURS = "fff6dc e4572e f9b934 f7f0e3 4f9d8c"  # sun or moon, four accents
_WORDS = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))


def paint(prompt: str, *, index: int, width: int, height: int) -> bytes:
    """The PNG of picture number `index` for a prompt, `width` by `height` pixels."""
    words = set(re.findall(r"[a-z]+", prompt.lower()))
    rng = random.Random(f"{prompt}\0{index}\0{width}x{height}")
    light = (*_named(words, "lights"), rng.choice(list(_WORDS["lights"].values())))[0]
    scene = (*_named(words, "scenes"), rng.choice(list(_WORDS["scenes"].values())))[0]
    colours = [tuple(bytes.fromhex(code)) for code in f"{light} {_SHARED_COLOURS}".split()]
    scale = 2 if width * height <= _SMOOTH_PIXELS else 1
    picture = Picture((width * scale, height * scale), rng, colours)
    getattr(picture, scene)()
    for row in _named(words, "things") if scene not in {"space", "tiles"} else ():
        thing, *fitting = row.split()
        if not fitting or scene in fitting:
            getattr(picture, thing)()
    image = _tinted(picture.image.reduce(scale), words)
    size = max(9.0, min(width, height) / 54)
    font, at = ImageFont.load_default(size), (size, height - size)
    ImageDraw.Draw(image).text(at, CAPTION, "white", font, "lb", stroke_width=1, stroke_fill="#444")
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=4)
    return out.getvalue()


def _named(words: set[str], table: str) -> list[str]:
    """What the words mean in one of the tables, in the table's order."""
    return [value for names, value in _WORDS[table].items() if words & set(names.split())]


def _tinted(image: Image.Image, words: set[str]) -> Image.Image:
    """The image in shades of the first colour that the words name, if it has a hue."""
    for tint in (ImageColor.getrgb(name) for name in ImageColor.colormap if name in words):
        if max(tint) - min(tint) > 50:  # not white, snow or grey
            shades = ImageOps.colorize(image.convert("L"), "black", "white", tint)
            return Image.blend(image, shades, 0.6)
    return image
