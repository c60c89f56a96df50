"""The scenes that a prompt can ask for, and the things in them."""

import cmath
import math
from itertools import pairwise

from PIL import Image

from ai_chat.local_provider.painter.canvas import Canvas, Colour, gradient, mix

LAMP, WHITE = (255, 214, 138), (255, 255, 255)
FLAT_ROOF, SLANT_ROOF = "0,0 0,-1 1,-1 1,0", "0,0 0,-1 1,-1.1 1,0"
STEPPED_ROOF = "0,0 0,-1 .15,-1 .15,-1.1 .85,-1.1 .85,-1 1,-1 1,0"
SPIRE = "0,0 0,-1 .46,-1.25 .5,-1.5 .54,-1.25 1,-1 1,0"
STRIPES = "0,.1 1,.1 1,.26 0,.26 0,.42 1,.42 1,.58 0,.58 0,.74 1,.74 1,.9 0,.9"
WINGS = "0,0 -.3,-.4 -.7,-.4 -1,0 -.6,-.22 -.3,-.22 0,.2 .3,-.22 .6,-.22 1,0 .7,-.4 .3,-.4"


class Picture(Canvas):
    """A canvas with one method for each scene (they fill it) and for each thing in a scene."""

    def mountains(self) -> None:
        self._heavens(0.6)
        for n in range(5):
            self._ridge(0.44 + 0.11 * n, 0.085 - 0.0125 * n, 0.1 + 0.21 * n)

    def lake(self) -> None:
        self._heavens(0.55)
        for n in range(3):
            self._ridge(0.46 + 0.06 * n, 0.085 - 0.027 * n, 0.2 + 0.3 * n)
        self._firs(0.63, 0.75, 3.2)
        self._mirror(0.64)

    def sea(self) -> None:
        x, shore = self._heavens(0.56, clouds=4), self.height * 0.56
        if self.rng.random() < 0.6:  # islands, where these hills are above the water
            self.land(0.56, 0.03, self.depth(0.4), octaves=9)
        stops = mix(self.horizon, self.sky[0], 0.45), mix(self.sky[0], self.near, 0.55)
        self.paste(gradient(*stops), (0, shore, self.width, self.height))
        self._ripples(0.56, 420, (*self.near, 70))
        self._ripples(0.56, 420, (*self.horizon, 80))
        self._ripples(0.56, 260, (*self.light, 185), middle=x)

    def forest(self) -> None:
        self._heavens(0.62, clouds=2)
        self._ridge(0.47, 0.05, 0.12)
        for n in range(5):
            self._firs(0.58 + 0.085 * n, 0.2 + 0.2 * n, 6 + 3.25 * n)
            top, mist = self.height * (0.5 + 0.075 * n), (*self.horizon, 140 - 35 * n)
            self.fade(mist, (0, top, self.width, top + self.height * (0.3 - 0.025 * n)))

    def city(self) -> None:
        self._heavens(0.66, clouds=2)
        for row in range(3):
            x, y, colour = -2.0, self.height * 0.76, self.depth(0.25 + 0.32 * row)
            while x < self.width:
                width, share = self.rng.uniform(5, 12), 1 - abs(x / self.width - 0.5)
                tall = self.height * (0.46 - 0.1 * row) * share * self.rng.uniform(0.35, 1)
                outline = self.rng.choice((FLAT_ROOF, FLAT_ROOF, SLANT_ROOF, STEPPED_ROOF, SPIRE))
                self.shape(outline, (x, y), width, colour, tall / width)
                for _ in range(int(width * tall * (0.08 + 0.06 * row))):
                    column, floor = self.rng.randrange(int(width)), self.rng.randrange(int(tall))
                    at = x + 0.3 + column, y - 0.3 - floor
                    self.shape("0,0 .5,0 .5,-.6 0,-.6", at, 1, mix(LAMP, colour, 0.7 - 0.3 * row))
                x += width + self.rng.uniform(-1, 1.4)
        self._mirror(0.76)

    def desert(self) -> None:
        self._heavens(0.55, clouds=1)
        sand = mix(self.far, (226, 150, 84), 0.35 if self.dark else 0.7)
        shadow = mix(self.near, (84, 40, 36), 0.25 if self.dark else 0.75)
        for n in range(5):
            bright = mix(mix(self.horizon, sand, 0.45 + 0.14 * n), shadow, 0.075 * n)
            line = self.land(0.57 + 0.085 * n, 0.02 + 0.011 * n, bright)
            # The steeper a slope falls away from the light, the deeper its shade.
            foot = [(x, y + 20 * max(0, y - before)) for (_, before), (x, y) in pairwise(line)]
            self.polygon([*line, *reversed(foot)], mix(bright, shadow, 0.3 + 0.03 * n))

    def meadow(self) -> None:
        self._heavens(0.55, clouds=5)
        green = mix(self.near, (96, 150, 62), 0.15 if self.dark else 0.6)
        for n in range(5):
            field = mix(mix(self.far, green, 0.35 + 0.125 * n), self.near, 0.075 * n)
            line, leaves = self.land(0.54 + 0.075 * n, 0.03, field), mix(field, self.near, 0.5)
            for x, y in self.rng.choices(line, k=self.rng.randint(3, 8) if 0 < n < 4 else 0):
                size = self.rng.uniform(0.6, 1.1) * (1.5 + 1.8 * n)
                self.shape("-.1,-1 .1,-1 .1,.2 -.1,.2", (x, y), size, leaves)
                for dx, dy, share in ((0, -1.5, 0.8), (-0.5, -1.1, 0.6), (0.5, -1.1, 0.6)):
                    self.disc(x + dx * size, y + dy * size, share * size, leaves)
                self.disc(x - 0.2 * size, y - 1.65 * size, size / 2, mix(leaves, self.light, 0.12))
        for n in range(240):
            (x, y), size = self.spot(0, 1, 0.8 + n / 1100, 0.81 + n / 1100), 0.25 + n / 320
            petals = mix(self.rng.choice(self.accents), self.sky[2], 0.5 if self.dark else 0)
            self.shape("-.15,0 .15,4 .45,4 .15,0", (x, y), size, mix(green, self.near, 0.5))
            for at in (cmath.rect(size * 0.7, math.tau * turn / 5) for turn in range(5)):
                self.disc(x + at.real, y + at.imag, size * 0.55, petals)
            self.disc(x, y, size * 0.4, mix(self.light, (240, 180, 40), 0.4))

    def space(self) -> None:
        deep = mix(self.near, (4, 5, 16), 0.8)
        self.paste(deep, (0, 0, self.width, self.height))
        for _ in range(14):
            tone = mix(self.rng.choice([*self.sky[1:3], *self.accents[:2]]), deep, 0.35)
            self.glow(*self.spot(0, 1, 0, 1), self.rng.uniform(20, 55), (*tone, 128))
        self._stars(420, 1)
        (x, y), radius = self.spot(0.35, 0.65, 0.4, 0.6), self.rng.uniform(14, 19)
        self.glow(x, y, radius * 2.2, (*self.sky[2], 128))
        bands = [mix(self.rng.choice(self.accents), self.light, 0.15) for _ in range(9)]
        ball, fade = gradient(*bands).resize((256, 256)).rotate(-18), Image.radial_gradient("L")
        # The middle of the light lies up and to the left of the ball's own.
        shade = fade.crop((114, 114, 199, 199)).resize((256, 256))
        ball.paste(deep, mask=shade.point([min(240, max(0, v - 22) * 4) for v in range(256)]))
        edge = fade.point([min(255, max(0, 127 - v) * 128) for v in range(256)])
        self._ring(x, y, radius, -1)
        self.paste(ball, (x - radius, y - radius, x + radius, y + radius), edge)
        self._ring(x, y, radius, 1)

    def tiles(self) -> None:
        cell, tile = 100 / self.rng.choice((4, 5, 6)), Canvas((256, 256), self.rng, self.colours)
        columns, rows = math.ceil(self.width / cell), math.ceil(self.height / cell)
        tones = [*self.accents, self.near, self.sky[0], self.horizon, self.light]
        for left, top in ((n % columns * cell, n // columns * cell) for n in range(columns * rows)):
            back, front, small = self.rng.sample(tones, 3)
            tile.paste(back, (0, 0, 100, 100))
            if self.rng.random() < 0.33:
                tile.shape(self.rng.choice(("0,0 1,0 1,1", STRIPES)), (0, 0), 100, front)
            else:  # a disc around a corner shows a quarter, one around an edge a half
                tile.disc(*self.rng.choice(((0, 0, 100), (50, 0, 50), (50, 50, 42))), front)
            tile.disc(50, 50, self.rng.choice((0, 0, 16)), small)
            turned = tile.image.rotate(self.rng.choice((0, 90, 180, 270)))
            self.paste(turned, (left, top, left + cell, top + cell))

    def northern_lights(self) -> None:
        for tone in ((70, 240, 160, 100), (90, 200, 240, 100), (170, 110, 240, 100)):
            phase, base = self.rng.uniform(0, math.tau), self.rng.uniform(0.22, 0.4)
            for x in (n / 400 for n in range(400)):
                foot = base + 0.06 * math.sin(x * 5 + phase) + 0.024 * math.sin(x * 13)
                top = self.height * (foot - 0.16 - 0.06 * math.sin(x * 31 + phase))
                left, right = x * self.width, (x + 1 / 400) * self.width
                self.fade(tone, (left, top, right, foot * self.height))

    def balloon(self) -> None:
        (x, y), size = self.spot(0.25, 0.75, 0.2, 0.35), self.rng.uniform(7, 11)
        basket = "-.22,1.4 -.17,1.7 -.17,2 .17,2 .17,1.7 .22,1.4 .18,1.4 .13,1.7 -.13,1.7 -.18,1.4"
        self.shape(basket, (x, y), size, mix((120, 74, 40), self.near, 0.3))
        base, stripe = self.rng.sample(self.accents, 2)
        for share, colour in ((1, base), (0.66, stripe), (0.3, base)):
            self.disc(x, y, size * share, colour, 1 / share)
            self.shape("-.86,.5 .86,.5 .22,1.4 -.22,1.4", (x, y), size * share, colour, 1 / share)

    def birds(self) -> None:
        x, y = self.spot(0.25, 0.7, 0.15, 0.3)
        for _ in range(self.rng.randint(7, 12)):
            at, size = (self.rng.gauss(x, 12), self.rng.gauss(y, 5)), self.rng.uniform(1.2, 2.6)
            self.shape(WINGS, at, size, mix(self.near, self.sky[0], 0.2))

    def sailboat(self) -> None:
        at, size = self.spot(0.3, 0.7, 0.68, 0.76), self.rng.uniform(9, 13)
        hull = "-1,0 -.03,0 -.03,-1.9 .03,-1.9 .03,0 1.1,0 .75,.32 -.75,.32"
        self.shape(hull, at, size, mix(self.near, (70, 30, 20), 0.3))
        self.shape(".07,-.1 .07,-1.85 .95,-.1", at, size, mix(self.light, WHITE, 0.3))
        self.shape("-.07,-.1 -.07,-1.5 -.75,-.1", at, size, mix(self.horizon, WHITE, 0.5))

    def lighthouse(self) -> None:
        x, y = self.width * self.rng.choice((0.2, 0.8)), self.height * 0.74
        size, rock = self.rng.uniform(11, 14), mix(self.near, (40, 38, 44), 0.5)
        self.disc(x, y + size * 0.18, size * 1.05, rock, 0.31)
        self.disc(x - size * 0.3, y + size * 0.2, size * 0.45, rock)
        for n in range(7):
            colour = mix(self.horizon, LAMP, 0.2) if n % 2 else mix(self.near, (150, 40, 34), 0.6)
            top = y - size * 2 * n / 7
            self.shape("-.34,0 -.3,-.3 .3,-.3 .34,0", (x, top), size * (1 - n / 14), colour)
        self.glow(x, y - size * 2.16, size * 1.5, LAMP)
        self.disc(x, y - size * 2.16, size * 0.13, LAMP)
        self.shape("-.2,-2.28 0,-2.5 .2,-2.28", (x, y), size, rock)

    def house(self) -> None:
        (x, y), size = self.spot(0.2, 0.75, 0.76, 0.82), self.rng.uniform(6, 8)
        roof = "-.2,-1 .8,-1.8 1.1,-1.56 1.1,-1.75 1.28,-1.75 1.28,-1.4 1.8,-1"
        self.shape("0,0 0,-1 1.6,-1 1.6,0", (x, y), size, mix(self.horizon, self.near, 0.35))
        self.shape(roof, (x, y), size, mix(self.near, (120, 40, 30), 0.35))
        for left in (x + size * 0.25, x + size):
            self.glow(left + size * 0.17, y - size * 0.55, size * 0.8, LAMP)
            self.shape("0,-.75 .34,-.75 .34,-.35 0,-.35", (left, y), size, LAMP)

    def snowfall(self) -> None:
        for n in range(560):
            low, high, alpha = (0.5, 1.1, 130) if n < 60 else (0.1, 0.3, 200)
            self.disc(*self.spot(0, 1, 0, 1), self.rng.uniform(low, high), (*WHITE, alpha))

    def rainfall(self) -> None:
        for _ in range(420):
            at, colour = self.spot(0, 1.1, -0.05, 1), (*mix(self.horizon, WHITE, 0.5), 80)
            self.shape("0,0 .03,0 -.22,1 -.25,1", at, self.rng.uniform(2, 5), colour)

    def _heavens(self, horizon: float, clouds: int = 3) -> float:
        """Sky down to the horizon (0-1), sun or stars and moon, clouds; gives the sun's x."""
        self.paste(self.horizon, (0, 0, self.width, self.height))
        self.paste(gradient(*self.sky), (0, 0, self.width, self.height * (horizon + 0.06)))
        self._stars(220 if self.dark else 0, horizon)
        (x, y), size = self.spot(0.22, 0.78, horizon - 0.34, horizon - 0.1), self.rng.uniform(5, 8)
        self.glow(x, y, size * 7, mix(self.horizon, self.light, 0.5))
        self.glow(x, y, size * 2.6, self.light)
        self.disc(x, y, size, self.light)
        for dx, dy, share in ((-0.3, -0.2, 0.24), (0.25, 0.3, 0.17), (0.15, -0.45, 0.12)):
            crater = mix(self.light, self.horizon, 0.28 if self.dark else 0)
            self.disc(x + dx * size, y + dy * size, share * size, crater)
        tone = mix(self.sky[2], self.light, 0.2) if self.dark else mix(self.horizon, WHITE, 0.4)
        for _ in range(clouds):
            (left, top), size = self.spot(-0.1, 1.1, 0.06, horizon * 0.75), self.rng.uniform(2.5, 6)
            for dx in (self.rng.gauss(0, 2.4) for _ in range(40)):
                puff = size * self.rng.uniform(1, 2.3) * math.exp(-((dx / 4.5) ** 2))
                self.glow(left + dx * size, top - puff * 0.25, puff, (*tone, 160), 0.6)
        return x

    def _stars(self, count: int, lowest: float) -> None:
        for _ in range(count):
            tone = mix(self.sky[1], WHITE, self.rng.uniform(0.4, 1))
            self.disc(*self.spot(0, 1, 0, lowest), self.rng.choice((0.08, 0.1, 0.15, 0.24)), tone)

    def _ridge(self, base: float, height: float, depth: float) -> None:
        self.land(base, height, self.depth(depth), octaves=9)
        mist = (*self.horizon, round(140 * (1 - depth)))
        self.fade(mist, (0, self.height * (base - height), self.width, self.height))

    def _firs(self, base: float, depth: float, size: float) -> None:
        line = self.land(base, 0.022, self.depth(depth))
        for x, y in self.rng.choices(line, k=round(6 * self.width / size)):
            height = size * self.rng.uniform(0.65, 1.25)
            for tier in range(5):
                half = height * (0.07 + 0.035 * tier) * self.rng.uniform(0.9, 1.15)
                top, tall = y - height * (0.95 - 0.16 * tier), 0.28 * height / half
                self.shape("0,0 -1,1 1,1", (x, top), half, self.depth(depth), tall)

    def _mirror(self, shore: float) -> None:
        """Still water below `shore` (0-1 of the height) that shows what is above it."""
        width, line = self.image.width, round(self.height * shore * self.unit)
        above = self.image.crop((0, 2 * line - self.image.height, width, line))
        water = above.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((250, 40))
        water = Image.blend(water, Image.new("RGB", water.size, self.depth(0.6)), 0.38)
        self.paste(water, (0, self.height * shore, self.width, self.height))
        self._ripples(shore, 90, (*self.light, 46))

    def _ripples(self, shore: float, count: int, colour: Colour, middle: float = -1) -> None:
        """Strokes on water, finer and denser towards the shore and around `middle`, if given."""
        for share in (self.rng.random() ** 1.6 for _ in range(count)):
            half, thick = self.rng.uniform(1, 3.5) * (0.4 + 2 * share), 0.08 + 0.3 * share
            x, y = self.rng.uniform(0, self.width), self.height * (shore + (1 - shore) * share)
            x = x if middle < 0 else self.rng.gauss(middle, 1.5 + 7.5 * share)
            self.disc(x, y, half, colour, thick / half)

    def _ring(self, x: float, y: float, radius: float, side: int) -> None:
        """Half of a planet's ring: behind the planet (`side` -1) or before it (1)."""
        turns = [cmath.rect(1, math.pi * n / 60) for n in range(61)]
        for inner, outer, alpha in ((1.92, 2.2, 190), (1.83, 1.89, 120), (1.5, 1.7, 110)):
            band = [outer * turn for turn in turns] + [inner * turn for turn in turns[::-1]]
            tilted = [
                complex(z.real, z.imag * 0.3 * side) * cmath.rect(radius, -0.31) for z in band
            ]
            colour = (*mix(self.light, self.far, 0.35), alpha)
            self.polygon([(x + z.real, y + z.imag) for z in tilted], colour)
