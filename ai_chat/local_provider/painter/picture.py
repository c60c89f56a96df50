"""The scenes that a prompt can ask for, the things in them, and the strokes they are made of."""

import math
import random
from itertools import chain, pairwise, product

from PIL import Image, ImageDraw, ImageOps

type Colour = tuple[int, ...]  # red, green, blue and, where it is translucent, alpha; each 0-255
type Point = tuple[float, float]
type Box = tuple[float, float, float, float]

LAMP, WHITE = (255, 214, 138), (255, 255, 255)
FADE = Image.linear_gradient("L")  # masks: opaque at the bottom, and in the middle
GLOW = Image.radial_gradient("L").point([max(0, 127 - value) ** 2 // 64 for value in range(256)])
FIR = "0,-1 .09,-.68 .05,-.68 .14,-.46 .09,-.46 .2,0 -.2,0 -.09,-.46 -.14,-.46 -.05,-.68 -.09,-.68"
ROOFS = "0,0 0,-1 1,-1 1,0", "0,0 0,-1 1,-1.1 1,0", "0,0 0,-1 .46,-1.2 .5,-1.4 .54,-1.2 1,-1 1,0"
WINDOW = ".3,-.3 .8,-.3 .8,-.9 .3,-.9"
WINGS = "0,0 -.3,-.4 -.7,-.4 -1,0 -.6,-.22 -.3,-.22 0,.2 .3,-.22 .6,-.22 1,0 .7,-.4 .3,-.4"


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` (0-1) of `b`."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))


class Picture:
    """An image with one method for each scene (they fill it) and for each thing in a scene.

    Its units are hundredths of its shorter side, from the upper left. Its `colours`: four of the
    sky from top to horizon, far land, near land, sun or moon, four accents.
    """

    def __init__(self, size: tuple[int, int], rng: random.Random, colours: list[Colour]) -> None:
        self.image, self.rng, self.colours = Image.new("RGB", size), rng, colours
        self.pen = ImageDraw.Draw(self.image, "RGBA")  # lays a colour with an alpha over the rest
        self.unit = min(size) / 100
        self.width, self.height = (side / self.unit for side in size)
        self.sky, self.accents = colours[:4], colours[7:]
        self.horizon, self.far, self.near, self.light = colours[3:7]
        self.dark = sum(self.sky[0]) < 80  # only at night

    def mountains(self) -> None:
        self._heavens(0.6)
        for n in range(5):
            self._ridge(0.44 + 0.11 * n, 0.085 - 0.0125 * n, 0.1 + 0.21 * n)

    def forest(self) -> None:
        self.mountains()
        for n in range(5):
            self._ridge(0.58 + 0.085 * n, 0.022, 0.2 + 0.2 * n, firs=6 + 3.25 * n)

    def lake(self) -> None:
        self.mountains()
        self._ridge(0.63, 0.022, 0.75, firs=3.2)
        self._water(0.64, waves=150)

    def sea(self) -> None:
        self._heavens(0.56)
        self._water(0.56, waves=1000)

    def city(self) -> None:
        self._heavens(0.66)
        for row, x in product(range(3), range(-4, round(self.width), 7)):
            width, share = self.rng.uniform(5, 12), 1 - abs(x / self.width - 0.5)
            tall = self.height * (0.46 - 0.1 * row) * share * self.rng.uniform(0.35, 1)
            colour, ground = mix(self.far, self.near, 0.25 + 0.32 * row), self.height * 0.76
            self.shape(self.rng.choice(ROOFS), (x, ground), width, colour, tall / width)
            for column, floor in product(range(int(width)), range(int(tall))):
                if self.rng.random() < 0.08 + 0.06 * row:
                    self.shape(WINDOW, (x + column, ground - floor), 1, mix(colour, LAMP, 0.8))
        self._water(0.76, waves=150)

    def desert(self) -> None:
        self._hills((226, 150, 84), (84, 40, 36), trees=0)

    def meadow(self) -> None:
        self._hills((96, 150, 62), self.near, trees=8)
        for n in range(300):
            at, size = self.spot(0, 1, 0.8 + n / 1400, 0.81 + n / 1400), 0.3 + n / 400
            petals = mix(self.rng.choice(self.accents), self.sky[2], 0.5 if self.dark else 0)
            self.disc(*at, size, petals, 0.8)

    def space(self) -> None:
        deep = mix(self.near, (4, 5, 16), 0.8)
        self.image.paste(deep, (0, 0, *self.image.size))
        for _ in range(14):
            tone = mix(self.rng.choice([*self.sky[1:3], *self.accents[:2]]), deep, 0.35)
            self.glow(*self.spot(0, 1, 0, 1), self.rng.uniform(20, 55), (*tone, 128))
        self._specks(420, 1, 0.25)
        (x, y), r = self.spot(0.35, 0.65, 0.4, 0.6), self.rng.uniform(14, 19)
        arc = [(math.cos(math.pi * n / 60), math.sin(math.pi * n / 60)) for n in range(61)]
        ring = [*arc, *((0.75 * dx, 0.75 * dy) for dx, dy in reversed(arc))]
        for side in (-1, 1):  # half of the ring is behind the planet, half before it
            half = [(x + 2.1 * r * dx, y + 0.63 * r * (dy * side - dx)) for dx, dy in ring]
            self.polygon(half, (*self.light, 150))
            if side < 0:
                self.disc(x, y, r, mix(self.rng.choice(self.accents), self.light, 0.2))
                self.glow(x + r * 0.8, y + r * 0.8, r * 2, (*deep, 240))

    def tiles(self) -> None:
        cell, tile = 100 / self.rng.choice((4, 5, 6)), Picture((256, 256), self.rng, self.colours)
        tones = [*self.accents, self.near, self.sky[0], self.horizon, self.light]
        for x, y in product(range(int(self.width / cell) + 1), range(int(self.height / cell) + 1)):
            back, front = self.rng.sample(tones, 2)
            tile.image.paste(back, (0, 0, 256, 256))
            # A disc around a corner shows a quarter, one around an edge a half.
            tile.disc(*self.rng.choice(((0, 0, 100), (50, 0, 50), (50, 50, 42), (0, 0, 70))), front)
            turned = tile.image.rotate(self.rng.choice((0, 90, 180, 270)))
            self.paste(turned, (x * cell, y * cell, (x + 1) * cell, (y + 1) * cell))

    def northern_lights(self) -> None:
        start, tones = self.rng.uniform(0, 9), ((70, 240, 160), (90, 200, 240), (170, 110, 240))
        for tone, x in product(tones, [n / 400 * self.width for n in range(400)]):
            foot = self.height * (0.32 + 0.08 * math.sin(x / 20 + start * tone[0]))
            top = foot - self.height * (0.16 + 0.06 * math.sin(x / 4 + start))
            self.veil((*tone, 100), (x, top, x + self.width / 400, foot), FADE)

    def balloon(self) -> None:
        at, size = self.spot(0.25, 0.75, 0.2, 0.35), self.rng.uniform(7, 11)
        self.shape("-.22,1.4 -.17,2 .17,2 .22,1.4", at, size, mix((120, 74, 40), self.near, 0.3))
        for share, colour in zip((1, 0.66, 0.3), self.rng.sample(self.accents, 3), strict=True):
            self.disc(*at, size * share, colour, 1 / share)
            self.shape("-.86,.5 .86,.5 .22,1.4 -.22,1.4", at, size * share, colour, 1 / share)

    def birds(self) -> None:
        for _ in range(9):
            at, size = self.spot(0.3, 0.6, 0.1, 0.3), self.rng.uniform(1.2, 2.6)
            self.shape(WINGS, at, size, mix(self.near, self.sky[0], 0.2))

    def sailboat(self) -> None:
        at, size = self.spot(0.3, 0.7, 0.68, 0.76), self.rng.uniform(9, 13)
        self.shape("-1,0 1.1,0 .75,.32 -.75,.32", at, size, mix(self.near, (70, 30, 20), 0.3))
        self.shape(".95,-.1 0,-1.9 .04,0 -.04,0 0,-1.5 -.75,-.1", at, size, self.light)

    def lighthouse(self) -> None:
        (x, y), size = self.spot(0.15, 0.25, 0.74, 0.78), self.rng.uniform(11, 14)
        self.disc(x, y + size * 0.18, size * 1.05, self.near, 0.31)
        for n in range(7):
            colour, at = mix(self.accents[n % 2 * 2], self.near, 0.3), (x, y - size * 2 * n / 7)
            self.shape("-.34,0 -.3,-.3 .3,-.3 .34,0", at, size * (1 - n / 14), colour)
        self.glow(x, y - size * 2.16, size * 1.5, LAMP)
        self.shape("-.2,-2.28 0,-2.5 .2,-2.28", (x, y), size, self.near)

    def house(self) -> None:
        at, size = self.spot(0.2, 0.75, 0.76, 0.82), self.rng.uniform(6, 8)
        self.shape("0,0 0,-1 1.6,-1 1.6,0", at, size, mix(self.horizon, self.near, 0.35))
        self.shape("-.2,-1 .8,-1.8 1.8,-1", at, size, mix(self.near, (120, 40, 30), 0.35))
        self.shape(".3,-.7 .6,-.7 .6,-.4 1,-.4 1,-.7 1.3,-.7 1.3,-.4 .3,-.4", at, size, LAMP)

    def snowfall(self) -> None:
        self._specks(560, 1, 0.9)

    def rainfall(self) -> None:
        for _ in range(420):
            at, colour = self.spot(0, 1.1, -0.05, 1), (*mix(self.horizon, WHITE, 0.5), 80)
            self.shape("0,0 .03,0 -.22,1 -.25,1", at, self.rng.uniform(2, 5), colour)

    def _heavens(self, horizon: float) -> None:
        """Sky down to the horizon (0-1), sun or stars and moon, clouds."""
        sky = Image.frombytes("RGB", (1, 4), bytes(chain.from_iterable(self.sky)))
        self.paste(sky, (0, 0, self.width, self.height * (horizon + 0.06)))
        self._specks(220 if self.dark else 0, horizon, 0.25)
        self.sun, size = (
            self.spot(0.22, 0.78, horizon - 0.34, horizon - 0.1),
            self.rng.uniform(5, 8),
        )
        self.glow(*self.sun, size * 6, self.light)
        self.disc(*self.sun, size, self.light)
        tone = mix(self.sky[2], self.light, 0.2) if self.dark else mix(self.horizon, WHITE, 0.4)
        for _ in range(3):
            (left, top), size = self.spot(-0.1, 1.1, 0.06, horizon * 0.75), self.rng.uniform(2.5, 6)
            for dx in (self.rng.gauss(0, 2.4) for _ in range(40)):
                puff = size * self.rng.uniform(1, 2.3) * math.exp(-((dx / 4.5) ** 2))
                self.glow(left + dx * size, top - puff * 0.25, puff, (*tone, 160), 0.6)

    def _specks(self, count: int, lowest: float, size: float) -> None:
        """White dots of up to `size` units, most of them small, down to `lowest` (0-1)."""
        for _ in range(count):
            radius = 0.08 + size * self.rng.random() ** 5
            self.disc(*self.spot(0, 1, 0, lowest), radius, (*WHITE, self.rng.randint(80, 220)))

    def _ridge(self, base: float, height: float, depth: float, firs: float = 0) -> None:
        """Mountains, or hills with firs of that size if it is given, and the mist before them."""
        colour = mix(self.far, self.near, depth)
        line = self._land(base, height, colour, octaves=3 if firs else 9)
        self._firs(line, firs, colour, round(6 * self.width / firs) if firs else 0)
        top, mist = self.height * (base - height), (*self.horizon, round(140 * (1 - depth)))
        self.veil(mist, (0, top, self.width, top + self.height * 0.4), FADE)

    def _hills(self, ground: Colour, shadow: Colour, trees: int) -> None:
        self._heavens(0.55)
        share = 0.2 if self.dark else 0.7
        ground, shadow = mix(self.near, ground, share), mix(self.near, shadow, share)
        for n in range(5):
            bright = mix(mix(self.horizon, ground, 0.45 + 0.14 * n), shadow, 0.075 * n)
            line = self._land(0.57 + 0.085 * n, 0.02 + 0.011 * n, bright, octaves=3)
            # The steeper a slope falls away from the light, the deeper its shade.
            foot = [(x, y + 20 * max(0, y - before)) for (_, before), (x, y) in pairwise(line)]
            self.polygon([*line, *reversed(foot)], mix(bright, shadow, 0.3 + 0.03 * n))
            self._firs(line, 2 + 2.5 * n, mix(bright, shadow, 0.5), trees)

    def _land(self, base: float, height: float, colour: Colour, octaves: int) -> list[Point]:
        """Fill below hills, or mountains with more than three octaves of waves; give their line."""
        waves = [(2**n * self.rng.uniform(5, 9), self.rng.uniform(0, 9)) for n in range(octaves)]
        line = []
        for x in (n / 250 for n in range(251)):
            bends = [math.sin(often * x + phase) for often, phase in waves]
            bends = [1 - 2 * abs(bend) for bend in bends] if octaves > 3 else bends
            level = base - height * sum(bend / (1 << n) for n, bend in enumerate(bends))
            line.append((x * self.width, level * self.height))
        self.polygon([*line, (self.width, self.height), (0, self.height)], colour)
        return line

    def _firs(self, line: list[Point], size: float, colour: Colour, count: int) -> None:
        for at in self.rng.choices(line, k=count):
            self.shape(FIR, at, size * self.rng.uniform(0.65, 1.25), colour)

    def _water(self, shore: float, waves: int) -> None:
        """Water below `shore` (0-1 of the height): what is above, mirrored, under strokes."""
        (width, height), line = self.image.size, round(self.height * shore * self.unit)
        water = ImageOps.flip(self.image.crop((0, 2 * line - height, width, line)))
        self.paste(water.resize((250, 40)), (0, self.height * shore, self.width, self.height))
        self.pen.rectangle((0, line, width, height), (*mix(self.far, self.near, 0.6), 97))
        for n in range(waves):  # finer and denser towards the shore, every fourth below the sun
            share = self.rng.random() ** 1.6
            half, thick = self.rng.uniform(1, 3.5) * (0.4 + 2 * share), 0.08 + 0.3 * share
            x, y = self.rng.uniform(0, self.width), self.height * (shore + (1 - shore) * share)
            x = x if n % 4 else self.rng.gauss(self.sun[0], 1.5 + 7.5 * share)
            colour = (*self.light, 170) if n % 4 == 0 else (*(self.near, self.horizon)[n % 2], 75)
            self.disc(x, y, half, colour, thick / half)

    def spot(self, left: float, right: float, top: float, low: float) -> Point:
        """A random place between shares (0-1) of the width and the height."""
        return self.width * self.rng.uniform(left, right), self.height * self.rng.uniform(top, low)

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
        """Light that fades from its middle."""
        self.veil(colour, (x - radius, y - radius * flat, x + radius, y + radius * flat), GLOW)

    def veil(self, colour: Colour, box: Box, mask: Image.Image) -> None:
        """A colour over a box; where the mask is white, it has the colour's alpha, or 190."""
        alphas = [value * (*colour, 190)[3] // 255 for value in range(256)]
        self.paste(Image.new("RGB", (1, 1), colour[:3]), box, mask.point(alphas))

    def paste(self, image: Image.Image, box: Box, mask: Image.Image | None = None) -> None:
        """An image, stretched over a box like its mask, where white is opaque."""
        left, top, right, bottom = (round(edge * self.unit) for edge in box)
        size = max(1, right - left), max(1, bottom - top)
        self.image.paste(image.resize(size), (left, top), mask and mask.resize(size))
