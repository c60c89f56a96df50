"""Colours: one palette per time of day, tinted when the prompt names a colour."""

import colorsys
import random
from collections.abc import Sequence
from dataclasses import dataclass

type Colour = tuple[int, int, int]


def rgb(code: str) -> Colour:
    """The colour of six hexadecimal digits."""
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with `share` (0-1) of `b`."""
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class Palette:
    """The light of one picture: sky from top to horizon, sun or moon, far and near land."""

    sky: tuple[Colour, ...]
    light: Colour
    far: Colour
    near: Colour
    accents: tuple[Colour, ...]
    dark: bool = False

    def depth(self, share: float) -> Colour:
        """The colour of land at a distance: 0 far, in the haze, 1 near."""
        return mix(self.far, self.near, share)

    @property
    def horizon(self) -> Colour:
        """Where sky and land meet."""
        return self.sky[-1]


def _palette(sky: str, light: str, land: str, accents: str, *, dark: bool = False) -> Palette:
    far, near = (rgb(code) for code in land.split())
    return Palette(
        sky=tuple(rgb(code) for code in sky.split()),
        light=rgb(light),
        far=far,
        near=near,
        accents=tuple(rgb(code) for code in accents.split()),
        dark=dark,
    )


PALETTES = {
    "day": _palette(
        "2a74c5 5fa8e0 a9d6ee f6efd9", "fff8e1", "9dbfcb 1d4a3c", "e4572e f3a712 f7f0e3 5b8e7d"
    ),
    "spring": _palette(
        "4a9fd8 93cdea d4ecdf fdf6d8", "fffbe6", "a8cfae 2f6b35", "ef6f9b f9c74f ffffff 9b5de5"
    ),
    "dawn": _palette(
        "39508f 8d77b5 eda593 ffe4b8", "fff3d1", "c49bb1 33294f", "f28482 f6bd60 f7ede2 84a59d"
    ),
    "sunset": _palette(
        "241c4e 7d2d6c e8593c ffc45e", "fff0b8", "b4536c 1c1030", "ff6b35 f7c59f efefd0 8f2d56"
    ),
    "night": _palette(
        "050818 0d1638 1f3166 47609a",
        "f6f2dc",
        "34497f 05070f",
        "ffd166 ef476f 8ecae6 f4f1de",
        dark=True,
    ),
    "mist": _palette(
        "7d93a3 a3b4bd c9d3d5 eceae2", "ffffff", "b9c5c8 2e3d42", "c8553d 588b8b ffd5c2 f28f3b"
    ),
    "autumn": _palette(
        "5a7d9a a9b8b5 e6d2ac f9e6be", "fff4d6", "d3a372 5a2a16", "c1440e e08e45 f4d35e 7a9e7e"
    ),
    "winter": _palette(
        "6d8fb3 a5bfd6 d7e4ee f8f4ef", "fffdf5", "c3d2e0 3a506b", "d1495b edae49 ffffff 30638e"
    ),
}

# What a word says about the light.
_LIGHT = {
    "day": "day",
    "noon": "day",
    "sunny": "day",
    "summer": "day",
    "spring": "spring",
    "morning": "dawn",
    "dawn": "dawn",
    "sunrise": "dawn",
    "sunset": "sunset",
    "evening": "sunset",
    "dusk": "sunset",
    "fire": "sunset",
    "night": "night",
    "midnight": "night",
    "moon": "night",
    "moonlight": "night",
    "star": "night",
    "stars": "night",
    "dark": "night",
    "aurora": "night",
    "fog": "mist",
    "foggy": "mist",
    "mist": "mist",
    "misty": "mist",
    "rain": "mist",
    "rainy": "mist",
    "storm": "mist",
    "autumn": "autumn",
    "fall": "autumn",
    "winter": "winter",
    "snow": "winter",
    "snowy": "winter",
    "ice": "winter",
}

# Hues on the colour wheel, 0-1.
_HUES = {
    "red": 0.0,
    "crimson": 0.97,
    "orange": 0.07,
    "gold": 0.12,
    "golden": 0.12,
    "yellow": 0.14,
    "green": 0.36,
    "emerald": 0.41,
    "teal": 0.49,
    "turquoise": 0.48,
    "blue": 0.58,
    "violet": 0.74,
    "purple": 0.77,
    "pink": 0.92,
    "magenta": 0.86,
}


def choose_palette(words: Sequence[str], rng: random.Random) -> Palette:
    """The palette that the words ask for: night before weather, else the last word wins."""
    lights = [_LIGHT[word] for word in words if word in _LIGHT]
    lights = lights or [rng.choice(("day", "spring", "dawn", "sunset", "night"))]
    light = "night" if "night" in lights else lights[-1]
    palette = PALETTES[light]
    hue = next((_HUES[word] for word in reversed(words) if word in _HUES), None)
    return palette if hue is None else _tinted(palette, hue)


def _tinted(palette: Palette, hue: float) -> Palette:
    def tint(colour: Colour, spread: float = 0.12) -> Colour:
        own, lightness, saturation = colorsys.rgb_to_hls(*(part / 255 for part in colour))
        # Keep a little of each colour's own hue: one flat tint looks like a printing error.
        near = (own - hue + 0.5) % 1 - 0.5
        toned = colorsys.hls_to_rgb(
            (hue + near * spread) % 1, lightness**1.25, max(saturation, 0.5)
        )
        red, green, blue = (round(part * 255) for part in toned)
        return red, green, blue

    return Palette(
        sky=tuple(tint(colour) for colour in palette.sky),
        light=tint(palette.light, 0.3),
        far=tint(palette.far),
        near=tint(palette.near),
        accents=tuple(tint(colour, 0.2) for colour in palette.accents),
        dark=palette.dark,
    )
