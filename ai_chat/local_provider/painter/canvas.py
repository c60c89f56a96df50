"""A picture in the making, and the strokes that every scene is made of."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from ai_chat.local_provider.painter.palette import Colour, Palette, mix

type Point = tuple[float, float]
type Line = list[Point]


@dataclass
class Canvas:
    """`width` by `height` pixels, with the lot and the colours to draw them by."""

    width: int
    height: int
    rng: random.Random
    palette: Palette
    image: Image.Image = field(init=False)
    draw: ImageDraw.ImageDraw = field(init=False)

    def __post_init__(self) -> None:
        self.replace(Image.new("RGB", (self.width, self.height)))

    @property
    def unit(self) -> float:
        """A hundredth of the shorter side: what sizes are given in."""
        return min(self.width, self.height) / 100

    def replace(self, image: Image.Image) -> None:
        """Go on with another image of the same size."""
        self.image, self.draw = image, ImageDraw.Draw(image)

    def mask(self, shrink: int = 1) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        """An empty mask, `shrink` times smaller than the picture: blurs are dear."""
        mask = Image.new("L", (self.width // shrink, self.height // shrink))
        return mask, ImageDraw.Draw(mask)

    def stain(self, mask: Image.Image, colour: Colour) -> None:
        """Lay a colour over the picture where the mask is not black."""
        if mask.size != self.image.size:
            mask = mask.resize(self.image.size, Image.Resampling.BICUBIC)
        self.image.paste(colour, mask=mask)


def gradient(size: tuple[int, int], stops: Sequence[Colour]) -> Image.Image:
    """Colours from top to bottom."""
    strip = Image.new("RGB", (1, 256))
    for y in range(256):
        place = y / 255 * (len(stops) - 1)
        first = min(int(place), len(stops) - 2)
        strip.putpixel((0, y), mix(stops[first], stops[first + 1], place - first))
    return strip.resize(size, Image.Resampling.BILINEAR)


def sky(canvas: Canvas, until: float = 0.75) -> None:
    """The sky, fading into the horizon at `until` (0-1) of the height."""
    bottom = max(2, round(canvas.height * until))
    canvas.image.paste(canvas.palette.horizon, (0, 0, canvas.width, canvas.height))
    canvas.image.paste(gradient((canvas.width, bottom), canvas.palette.sky))


def glow(canvas: Canvas, at: Point, radius: float, colour: Colour, strength: float = 1) -> None:
    """Light that fades from its middle."""
    # Pillow's gradient runs from 0 in the middle to 128 at the nearest edge.
    fade = Image.radial_gradient("L").point(
        lambda value: round(255 * strength * max(0.0, 1 - value / 127) ** 2)
    )
    size = max(2, round(radius * 2))
    x, y = round(at[0] - radius), round(at[1] - radius)
    canvas.image.paste(colour, (x, y, x + size, y + size), fade.resize((size, size)))


def disc(canvas: Canvas, at: Point, radius: float, colour: Colour) -> None:
    """A filled circle."""
    x, y = at
    canvas.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def sun(canvas: Canvas, at: Point, radius: float) -> None:
    """The sun, or at night the moon."""
    light = canvas.palette.light
    glow(canvas, at, radius * 7, mix(canvas.palette.horizon, light, 0.5), 0.75)
    glow(canvas, at, radius * 2.6, light, 0.8)
    disc(canvas, at, radius, light)
    if canvas.palette.dark:
        shade = mix(light, canvas.palette.sky[-1], 0.28)
        for dx, dy, share in ((-0.3, -0.2, 0.24), (0.25, 0.3, 0.17), (0.15, -0.45, 0.12)):
            disc(canvas, (at[0] + dx * radius, at[1] + dy * radius), share * radius, shade)


def stars(canvas: Canvas, count: int, until: float = 0.7) -> None:
    """Stars down to `until` of the height, rarer towards the horizon."""
    for _ in range(count):
        x = canvas.rng.uniform(0, canvas.width)
        y = canvas.height * until * canvas.rng.random() ** 1.6
        size = canvas.unit * canvas.rng.choice((0.08, 0.1, 0.12, 0.16, 0.24))
        tone = mix(canvas.palette.sky[1], (255, 255, 255), canvas.rng.uniform(0.4, 1))
        disc(canvas, (x, y), size, tone)


def clouds(canvas: Canvas, count: int, lowest: float = 0.45) -> None:
    """Soft clouds, flat below, down to `lowest` of the height."""
    shrink = 4
    mask, pen = canvas.mask(shrink)
    for _ in range(count):
        x = canvas.rng.uniform(-0.1, 1.1) * mask.width
        y = canvas.rng.uniform(0.06, lowest) * mask.height
        size = canvas.rng.uniform(2.5, 6) * canvas.unit / shrink
        for _ in range(26):
            dx = canvas.rng.gauss(0, 2.4) * size
            r = size * canvas.rng.uniform(0.5, 1.15) * math.exp(-((dx / size / 4.5) ** 2))
            pen.ellipse((x + dx - r * 1.5, y - r, x + dx + r * 1.5, y + r * 0.3), fill=200)
    mask = mask.filter(ImageFilter.GaussianBlur(canvas.unit / shrink * 0.8))
    fade = Image.linear_gradient("L").point(lambda value: 225 - value // 2).resize(mask.size)
    mask = ImageChops.multiply(mask, fade)
    tone = mix(canvas.palette.horizon, canvas.palette.light, 0.6)
    if canvas.palette.dark:
        tone = mix(canvas.palette.sky[2], canvas.palette.light, 0.2)
    canvas.stain(mask, tone)


def rolling(canvas: Canvas, base: float, height: float, waves: float = 1.5) -> Line:
    """A soft line of hills around `base`, `height` high (both 0-1 of the height)."""
    parts = [
        (waves * 2**n * canvas.rng.uniform(0.8, 1.2), canvas.rng.uniform(0, math.tau), 0.5**n)
        for n in range(3)
    ]
    return _line(
        canvas,
        lambda x: base - height * sum(a * math.sin(math.tau * f * x + p) for f, p, a in parts),
    )


def jagged(canvas: Canvas, base: float, height: float, rough: float = 0.48) -> Line:
    """A line of mountains: halves of halves, each moved a little less."""
    heights = [canvas.rng.uniform(0.1, 0.7) for _ in range(canvas.rng.choice((3, 4, 5)))]
    swing = 0.5
    while len(heights) < 260:
        middles = [
            (a + b) / 2 + canvas.rng.uniform(-swing, swing) * 0.5 for a, b in pairwise(heights)
        ]
        heights = [h for pair in zip(heights, middles, strict=False) for h in pair] + heights[-1:]
        swing *= rough
    last = len(heights) - 1
    return _line(canvas, lambda x: base - height * heights[round(x * last)], steps=last)


def _line(canvas: Canvas, y: Callable[[float], float], steps: int = 160) -> Line:
    return [(canvas.width * n / steps, canvas.height * y(n / steps)) for n in range(steps + 1)]


def land(canvas: Canvas, line: Line, top: Colour, bottom: Colour) -> None:
    """Fill from a line down to the lower edge, from one colour to another."""
    highest = max(0, int(min(y for _, y in line)))
    size = canvas.width, canvas.height - highest
    if size[1] < 1:
        return
    mask = Image.new("L", size)
    outline = [(x, y - highest) for x, y in line]
    ImageDraw.Draw(mask).polygon([*outline, (size[0], size[1]), (0, size[1])], fill=255)
    canvas.image.paste(gradient(size, (top, bottom)), (0, highest), mask)


def haze(canvas: Canvas, top: float, bottom: float, strength: float = 0.5) -> None:
    """Mist in the horizon's colour, thickening from `top` to `bottom` (0-1 of the height)."""
    y0, y1 = round(canvas.height * top), round(canvas.height * bottom)
    fade = Image.linear_gradient("L").point(lambda value: round(value * strength))
    box = (0, y0, canvas.width, y1)
    canvas.image.paste(canvas.palette.horizon, box, fade.resize((canvas.width, y1 - y0)))


def mirror(canvas: Canvas, shore: float, tint: Colour) -> None:
    """Still water below `shore` (0-1 of the height) that shows what is above it."""
    y = round(canvas.height * shore)
    depth = canvas.height - y
    above = canvas.image.crop((0, y - min(depth, y), canvas.width, y))
    water = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((canvas.width // 4, depth // 4))
    water = water.filter(ImageFilter.BoxBlur((1.2, canvas.unit / 3)))
    water = Image.blend(water, Image.new("RGB", water.size, tint), 0.38)
    canvas.image.paste(water.resize((canvas.width, depth), Image.Resampling.BICUBIC), (0, y))
    ripples(canvas, shore, canvas.palette.light, count=90, alpha=46)


def ripples(canvas: Canvas, shore: float, colour: Colour, count: int, alpha: int) -> None:
    """Short strokes on water, finer and denser towards the shore line."""
    mask, pen = canvas.mask()
    for _ in range(count):
        share = canvas.rng.random() ** 1.8
        y = canvas.height * (shore + (1 - shore) * share)
        half = canvas.unit * canvas.rng.uniform(1, 4) * (0.4 + 2.2 * share)
        x, thick = canvas.rng.uniform(0, canvas.width), canvas.unit * (0.07 + 0.34 * share)
        pen.ellipse((x - half, y - thick, x + half, y + thick), fill=alpha)
    canvas.stain(mask, colour)
