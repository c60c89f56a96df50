"""The scenes a prompt can ask for, and the details that go on top."""

import math
import random
from collections.abc import Callable, Iterator, Sequence

from PIL import Image

from ai_chat.local_provider.painter import details
from ai_chat.local_provider.painter.canvas import (
    Canvas,
    Line,
    clouds,
    disc,
    glow,
    haze,
    jagged,
    land,
    mirror,
    ripples,
    rolling,
    sky,
    stars,
    sun,
)
from ai_chat.local_provider.painter.palette import Colour, mix

type Scene = Callable[[Canvas], None]


def _heavens(canvas: Canvas, horizon: float, *, cloudy: int = 3) -> tuple[float, float]:
    """Sky, stars at night, the sun somewhere above the horizon, clouds; says where the sun is."""
    sky(canvas, horizon + 0.06)
    if canvas.palette.dark:
        stars(canvas, 220, horizon)
    place = (
        canvas.width * canvas.rng.uniform(0.22, 0.78),
        canvas.height * (horizon - canvas.rng.uniform(0.1, 0.34)),
    )
    sun(canvas, place, canvas.unit * canvas.rng.uniform(5, 8))
    clouds(canvas, cloudy, horizon * 0.75)
    return place


def mountains(canvas: Canvas) -> None:
    """Ridges behind ridges, fading into the air."""
    palette = canvas.palette
    _heavens(canvas, 0.6)
    ridges = 5
    for n in range(ridges):
        share = n / (ridges - 1)
        line = jagged(canvas, 0.56 + 0.36 * share, 0.34 - 0.2 * share)
        colour = palette.depth(0.1 + 0.85 * share)
        land(canvas, line, colour, mix(colour, palette.horizon, 0.45 * (1 - share)))


def lake(canvas: Canvas) -> None:
    """Mountains over still water."""
    palette = canvas.palette
    _heavens(canvas, 0.55)
    for n in range(3):
        line = jagged(canvas, 0.58 + 0.03 * n, 0.34 - 0.11 * n)
        colour = palette.depth(0.2 + 0.3 * n)
        land(canvas, line, colour, mix(colour, palette.horizon, 0.4))
    conifers(canvas, 0.63, 0.75, 3.2)
    mirror(canvas, 0.64, palette.depth(0.55))


def sea(canvas: Canvas) -> None:
    """Open water with the sun's road on it."""
    palette, horizon = canvas.palette, 0.56
    x, _ = _heavens(canvas, horizon, cloudy=4)
    top = mix(palette.horizon, palette.sky[0], 0.45)
    shore = [(0.0, canvas.height * horizon), (float(canvas.width), canvas.height * horizon)]
    land(canvas, shore, top, mix(palette.sky[0], palette.near, 0.55))
    ripples(canvas, horizon, palette.near, count=420, alpha=70)
    ripples(canvas, horizon, palette.horizon, count=420, alpha=80)
    _sun_road(canvas, x, horizon)
    if canvas.rng.random() < 0.6:
        island = jagged(canvas, horizon + 0.004, 0.1)
        cut = canvas.rng.uniform(0.25, 0.45) * canvas.width
        details.islet(canvas, island, cut, horizon)


def _sun_road(canvas: Canvas, x: float, horizon: float) -> None:
    mask, pen = canvas.mask()
    for _ in range(260):
        share = canvas.rng.random() ** 1.3
        y = canvas.height * (horizon + (1 - horizon) * share)
        spread = canvas.unit * (3 + 15 * share)
        half = canvas.unit * canvas.rng.uniform(0.8, 3) * (0.4 + 1.5 * share)
        middle, thick = canvas.rng.gauss(x, spread / 2), canvas.unit * (0.08 + 0.3 * share)
        pen.ellipse((middle - half, y - thick, middle + half, y + thick), fill=185)
    canvas.stain(mask, canvas.palette.light)


def forest(canvas: Canvas) -> None:
    """Conifers in the mist, row before row."""
    palette = canvas.palette
    _heavens(canvas, 0.62, cloudy=2)
    line = jagged(canvas, 0.55, 0.24)
    land(canvas, line, palette.depth(0.12), palette.horizon)
    rows = 5
    for n in range(rows):
        share = n / (rows - 1)
        conifers(canvas, 0.58 + 0.34 * share, 0.2 + 0.8 * share, 6 + 13 * share)
        if n < rows - 1:
            haze(canvas, 0.5 + 0.3 * share, 0.8 + 0.2 * share, 0.55 - 0.1 * n)


def conifers(canvas: Canvas, base: float, share: float, size: float) -> None:
    """A row of firs on a hill; `size` is their height in hundredths of the shorter side."""
    colour = canvas.palette.depth(share)
    line = rolling(canvas, base, 0.022, 1.2)
    land(canvas, line, colour, colour)
    x = -canvas.unit * size
    while x < canvas.width + canvas.unit * size:
        height = canvas.unit * size * canvas.rng.uniform(0.65, 1.25)
        index = min(len(line) - 1, max(0, round(x / canvas.width * (len(line) - 1))))
        details.fir(canvas, (x, line[index][1] + height * 0.08), height, colour)
        x += height * canvas.rng.uniform(0.2, 0.42)


def city(canvas: Canvas) -> None:
    """A skyline on the water."""
    palette = canvas.palette
    _heavens(canvas, 0.66, cloudy=2)
    for n, (share, height) in enumerate(((0.25, 0.46), (0.55, 0.36), (0.9, 0.26))):
        details.skyline(canvas, 0.76, height, palette.depth(share), lit=n)
    mirror(canvas, 0.76, palette.depth(0.7))


def desert(canvas: Canvas) -> None:
    """Dunes with a lit and a shaded side."""
    palette = canvas.palette
    _heavens(canvas, 0.55, cloudy=1)
    sand = mix(palette.far, (226, 150, 84), 0.35 if palette.dark else 0.7)
    shadow = mix(palette.near, (84, 40, 36), 0.25 if palette.dark else 0.75)
    dunes = 5
    for n in range(dunes):
        share = n / (dunes - 1)
        line = rolling(canvas, 0.57 + 0.34 * share, 0.02 + 0.045 * share, 0.7 + 0.3 * share)
        bright = mix(mix(palette.horizon, sand, 0.45 + 0.55 * share), shadow, 0.3 * share)
        land(canvas, line, bright, mix(bright, shadow, 0.3))
        for slope in _slopes(line):
            canvas.draw.polygon(slope, fill=mix(bright, shadow, 0.3 + 0.12 * share))


def _slopes(line: Line) -> Iterator[Line]:
    """The shaded sides: from each crest along the line to the trough, and back in a curve."""
    start = 0
    for n in range(1, len(line)):
        falling = line[n][1] >= line[n - 1][1]
        if falling and n < len(line) - 1:
            continue
        if n - start > 6:
            (x0, y0), (x1, y1) = line[start], line[n - 1]
            steps = [step / 20 for step in range(21)]
            sag = [(x1 + (x0 - x1) * t, y1 + (y0 - y1) * t**2.4) for t in steps]
            drop = (y1 - y0) * 0.9
            yield line[start:n] + [
                (x, y + drop * math.sin(math.pi * t)) for (x, y), t in zip(sag, steps, strict=True)
            ]
        start = n


def meadow(canvas: Canvas) -> None:
    """Rolling fields, trees, flowers in front."""
    palette = canvas.palette
    _heavens(canvas, 0.55, cloudy=5)
    green = mix(palette.near, (96, 150, 62), 0.15 if palette.dark else 0.6)
    fields = 5
    for n in range(fields):
        share = n / (fields - 1)
        line = rolling(canvas, 0.54 + 0.3 * share, 0.03, 0.9)
        colour = mix(mix(palette.far, green, 0.35 + 0.5 * share), palette.near, 0.3 * share)
        land(canvas, line, mix(colour, palette.light, 0.14), colour)
        if 0 < n < 4:
            details.grove(canvas, line, mix(colour, palette.near, 0.5), 1.5 + 1.8 * n)
    details.flowers(canvas, 0.8)


def space(canvas: Canvas) -> None:
    """A planet, a ring, a nebula."""
    palette = canvas.palette
    deep = mix(palette.near, (4, 5, 16), 0.8)
    canvas.image.paste(deep, (0, 0, canvas.width, canvas.height))
    _nebula(canvas, deep)
    stars(canvas, 420, 1.0)
    at = canvas.width * canvas.rng.uniform(0.35, 0.65), canvas.height * canvas.rng.uniform(0.4, 0.6)
    details.planet(canvas, at, canvas.unit * canvas.rng.uniform(14, 19), deep)


def _nebula(canvas: Canvas, deep: Colour) -> None:
    # Nothing here has an edge, so an eighth of the size is as good and sixty times faster.
    small = Canvas(canvas.width // 8, canvas.height // 8, canvas.rng, canvas.palette)
    small.image.paste(deep, (0, 0, small.width, small.height))
    for _ in range(14):
        at = canvas.rng.uniform(0, small.width), canvas.rng.uniform(0, small.height)
        tone = canvas.rng.choice((*canvas.palette.sky[1:3], *canvas.palette.accents[:2]))
        glow(small, at, small.unit * canvas.rng.uniform(20, 55), mix(tone, deep, 0.35), 0.5)
    canvas.image.paste(small.image.resize(canvas.image.size, Image.Resampling.BICUBIC))


def tiles(canvas: Canvas) -> None:
    """Circles, halves and quarters on a grid."""
    palette = canvas.palette
    colours = [*palette.accents, palette.near, palette.sky[0], palette.horizon, palette.light]
    cell = min(canvas.width, canvas.height) / canvas.rng.choice((4, 5, 6))
    for row in range(math.ceil(canvas.height / cell)):
        for column in range(math.ceil(canvas.width / cell)):
            back, front, small = canvas.rng.sample(colours, 3)
            x, y = column * cell, row * cell
            canvas.draw.rectangle((x, y, x + cell, y + cell), fill=back)
            _tile(canvas, x, y, cell, front)
            if canvas.rng.random() < 0.35:
                disc(canvas, (x + cell / 2, y + cell / 2), cell * 0.16, small)


def _tile(canvas: Canvas, x: float, y: float, cell: float, colour: Colour) -> None:
    draw, turn = canvas.draw, canvas.rng.choice((0, 90, 180, 270))
    match canvas.rng.choice(("circle", "half", "quarter", "quarter", "triangle", "bars")):
        case "circle":
            disc(canvas, (x + cell / 2, y + cell / 2), cell * 0.42, colour)
        case "half":
            draw.pieslice((x, y, x + cell, y + cell), turn, turn + 180, fill=colour)
        case "quarter":
            dx, dy = {0: (0, 0), 90: (1, 0), 180: (1, 1), 270: (0, 1)}[turn]
            left, top = x - cell + dx * cell, y - cell + dy * cell
            # The arc's centre is a corner of the tile; only its quarter inside may show.
            draw.pieslice(
                (left, top, left + 2 * cell, top + 2 * cell), turn, turn + 90, fill=colour
            )
        case "triangle":
            corners = [(x, y), (x + cell, y), (x + cell, y + cell), (x, y + cell)]
            del corners[turn // 90]
            draw.polygon(corners, fill=colour)
        case _:
            for n in range(3):
                top = y + cell * (0.12 + 0.3 * n)
                draw.rectangle((x, top, x + cell, top + cell * 0.15), fill=colour)


_SCENES: dict[Scene, str] = {
    mountains: "mountain mountains alps peak peaks hill hills valley volcano cliff",
    lake: "lake river pond fjord reflection water waterfall swan",
    sea: "sea ocean beach coast wave waves island harbour harbor boat ship sail lighthouse whale",
    forest: "forest forests wood woods tree trees pine jungle fox bear wolf deer owl",
    city: "city cities town street skyline building buildings tower london paris york tokyo",
    desert: "desert dune dunes sand sahara camel egypt pyramid pyramids mars",
    meadow: "meadow field fields flower flowers garden farm grass village cat dog horse cow sheep",
    space: "space planet planets galaxy universe cosmos rocket astronaut nebula saturn jupiter",
    tiles: "abstract geometric geometry pattern shapes bauhaus logo icon mosaic art modern",
}
_BY_WORD = {word: scene for scene, words in _SCENES.items() for word in words.split()}


def choose_scene(words: Sequence[str], rng: random.Random) -> Scene:
    """The scene of the first word that names one, or one by lot."""
    by_lot = rng.choice(list(_SCENES))
    return next((_BY_WORD[word] for word in words if word in _BY_WORD), by_lot)


_WATER = frozenset((lake, sea, city))
_LAND = frozenset((mountains, forest, desert, meadow))

# What else can be asked for, and where it can stand.
_DETAILS: dict[Scene, tuple[str, frozenset[Scene]]] = {
    details.northern_lights: ("aurora northern polar", _WATER | _LAND),
    details.balloon: ("balloon balloons", _WATER | _LAND),
    details.birds: (
        "bird birds gull gulls seagull seagulls eagle swallow swallows crow raven",
        _WATER | _LAND,
    ),
    details.sailboat: ("boat boats ship ships sail sailing sailboat yacht", _WATER),
    details.lighthouse: ("lighthouse lighthouses beacon", _WATER),
    details.house: ("house home cabin cottage hut village farm", _LAND),
    details.snowfall: ("snow snowy snowing snowfall blizzard", _WATER | _LAND),
    details.rainfall: ("rain rainy raining storm", _WATER | _LAND),
}


def choose_details(words: Sequence[str], scene: Scene) -> list[Scene]:
    """What the words ask to see in the scene besides itself."""
    return [
        draw
        for draw, (names, places) in _DETAILS.items()
        if scene in places and not set(words).isdisjoint(names.split())
    ]
