"""Draws a picture for a prompt without a model: words choose the light, the scene and the things.

The same prompt, index and size give the same picture, pixel for pixel; what the words leave open
is random, seeded with all three.
"""

import colorsys
import io
import random
import re
import tomllib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ai_chat.local_provider.painter.canvas import Colour
from ai_chat.local_provider.painter.scenes import Picture

CAPTION = "Drawn from your words by Tally's local painter"
# Twice the size, then halved, smooths every edge; above this many pixels it is not worth the time.
_SMOOTH_PIXELS = 1_600_000
_WORDS: dict[str, dict[str, str]] = tomllib.loads(
    Path(__file__).with_name("words.toml").read_text(encoding="utf-8")
)


def paint(prompt: str, *, index: int, width: int, height: int) -> bytes:
    """The PNG of picture number `index` for a prompt, `width` by `height` pixels."""
    words = re.findall(r"[a-z]+", prompt.lower())
    rng = random.Random(f"{prompt}\0{index}\0{width}x{height}")
    scale = 2 if width * height <= _SMOOTH_PIXELS else 1
    picture = Picture((width * scale, height * scale), rng, _colours(words, rng))
    scene = (*_named(words, "scenes"), rng.choice(list(_WORDS["scenes"])))[0]
    getattr(picture, scene)()
    for thing in _WORDS["things"]:
        without = _WORDS["impossible"].get(thing, "").split()
        if thing in _named(words, "things") and scene not in (*without, "space", "tiles"):
            getattr(picture, thing)()
    image = picture.image.reduce(scale)
    _caption(image)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=4)
    return out.getvalue()


def _named(words: list[str], table: str) -> list[str]:
    """What the words mean in one of the tables, in their order."""
    rows = _WORDS[table].items()
    return [name for word in words for name, names in rows if word in names.split()]


def _colours(words: list[str], rng: random.Random) -> list[Colour]:
    """Those of the light that the words name (night before weather, else the last), tinted."""
    usual = rng.choice(("day", "spring", "dawn", "sunset", "night"))
    lights = _named(words, "lights") or [usual]
    light = "night" if "night" in lights else lights[-1]
    colours = [tuple(bytes.fromhex(code)) for code in _WORDS["colours"][light].split()]
    hues = _named(words, "hues")
    return [_tinted(colour, int(hues[-1]) / 100) for colour in colours] if hues else colours


def _tinted(colour: Colour, hue: float) -> Colour:
    own, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    # Keep a little of each colour's own hue: one flat tint looks like a printing error.
    toned = (hue + ((own - hue + 0.5) % 1 - 0.5) * 0.15) % 1
    parts = colorsys.hls_to_rgb(toned, lightness**1.25, max(saturation, 0.5))
    return tuple(round(part * 255) for part in parts)


def _caption(image: Image.Image) -> None:
    pen, size = ImageDraw.Draw(image, "RGBA"), max(9.0, min(image.size) / 54)
    font, pad = ImageFont.load_default(size), size * 0.55
    at = pad * 2, image.height - pad * 2
    left, top, right, bottom = pen.textbbox(at, CAPTION, font, anchor="lb")
    plate = left - pad, top - pad, right + pad, bottom + pad
    pen.rounded_rectangle(plate, radius=pad, fill=(0, 0, 0, 105))
    pen.text(at, CAPTION, "white", font, anchor="lb")
