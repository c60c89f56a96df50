"""An image measured in units, with its colours, and the strokes that pictures are made of."""

import math
import random

from PIL import Image, ImageDraw

type Colour = tuple[int, ...]  # red, green, blue and, where it is translucent, alpha; each 0-255
type Point = tuple[float, float]
type Box = tuple[float, float, float, float]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` (0-1) of `b`."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))


def gradient(*stops: Colour) -> Image.Image:
    """A strip of colours from top to bottom, to be stretched."""
    strip = Image.new("RGB", (1, len(stops)))
    strip.putdata(stops)
    # From the middle of the first colour to the middle of the last.
    return strip.resize((1, 256), Image.Resampling.BILINEAR, (0, 0.5, 1, len(stops) - 0.5))


class Canvas:
    """An image drawn on in units of a hundredth of its shorter side, from the upper left.

    `colours`: four of the sky from top to horizon, sun or moon, far land, near land, four accents.
    """

    def __init__(self, size: tuple[int, int], rng: random.Random, colours: list[Colour]) -> None:
        self.image, self.rng, self.colours = Image.new("RGB", size), rng, colours
        # In this mode a colour with an alpha is laid over what is there.
        self.pen = ImageDraw.Draw(self.image, "RGBA")
        self.unit = min(size) / 100
        self.width, self.height = (side / self.unit for side in size)
        self.sky, self.accents = colours[:4], colours[7:]
        self.horizon, self.light, self.far, self.near = colours[3:7]
        self.dark = sum(self.sky[0]) < 80  # only at night, whatever the tint

    def depth(self, share: float) -> Colour:
        """The colour of land at a distance: 0 far, in the haze, 1 near."""
        return mix(self.far, self.near, share)

    def spot(self, left: float, right: float, top: float, bottom: float) -> Point:
        """A random place between shares (0-1) of the width and the height."""
        x, y = self.rng.uniform(left, right), self.rng.uniform(top, bottom)
        return x * self.width, y * self.height

    def polygon(self, points: list[Point], colour: Colour) -> None:
        """A filled polygon."""
        self.pen.polygon([(x * self.unit, y * self.unit) for x, y in points], fill=colour)

    def shape(self, points: str, at: Point, size: float, colour: Colour, tall: float = 1) -> None:
        """A polygon in SVG's notation around `at`, `size` units wide and `tall` times as high."""
        pairs = (map(float, pair.split(",")) for pair in points.split())
        self.polygon([(at[0] + x * size, at[1] + y * size * tall) for x, y in pairs], colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour, flat: float = 1) -> None:
        """A filled circle, or an ellipse whose height is `flat` times its width."""
        edges = x - radius, y - radius * flat, x + radius, y + radius * flat
        self.pen.ellipse([edge * self.unit for edge in edges], fill=colour)

    def glow(self, x: float, y: float, radius: float, colour: Colour, flat: float = 1) -> None:
        """Light that fades from its middle; there it has the colour's alpha, or 190."""
        # Pillow's gradient runs from 0 in the middle to 128 at the nearest edge.
        alphas = [(*colour, 190)[3] * max(0, 127 - value) ** 2 // 127**2 for value in range(256)]
        box = x - radius, y - radius * flat, x + radius, y + radius * flat
        self.paste(colour[:3], box, Image.radial_gradient("L").point(alphas))

    def fade(self, colour: Colour, box: Box) -> None:
        """A colour over a box, from nothing at its top to the colour's alpha at its bottom."""
        alphas = [value * colour[3] // 255 for value in range(256)]
        self.paste(colour[:3], box, Image.linear_gradient("L").point(alphas))

    def paste(self, fill: Colour | Image.Image, box: Box, mask: Image.Image | None = None) -> None:
        """A colour or an image, stretched over a box like its mask, where white is opaque."""
        left, top, right, bottom = (round(edge * self.unit) for edge in box)
        size = max(1, right - left), max(1, bottom - top)
        fill = fill.resize(size) if isinstance(fill, Image.Image) else fill
        area = left, top, left + size[0], top + size[1]
        self.image.paste(fill, area, mask and mask.resize(size))

    def land(self, base: float, height: float, colour: Colour, octaves: int = 3) -> list[Point]:
        """Fill below hills around `base` and `height` high (0-1 of the height); give their line.

        With more than three octaves of waves they have peaks, like mountains.
        """
        waves = [(2**n * self.rng.uniform(5, 9), self.rng.uniform(0, 9)) for n in range(octaves)]

        def level(x: float) -> float:
            bends = [math.sin(often * x + phase) for often, phase in waves]
            bends = [1 - 2 * abs(bend) for bend in bends] if octaves > 3 else bends
            return base - height * sum(bend / (1 << n) for n, bend in enumerate(bends))

        line = [(n / 250 * self.width, level(n / 250) * self.height) for n in range(251)]
        self.polygon([*line, (self.width, self.height), (0, self.height)], colour)
        return line
