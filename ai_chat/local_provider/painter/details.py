"""Things in a scene: trees, houses, boats, birds, weather."""

import math

from PIL import Image, ImageDraw, ImageFilter

from ai_chat.local_provider.painter.canvas import Canvas, Line, Point, disc, glow, gradient
from ai_chat.local_provider.painter.palette import Colour, mix

WINDOW = (255, 214, 138)


def fir(canvas: Canvas, foot: Point, height: float, colour: Colour) -> None:
    """A conifer whose trunk stands at `foot`."""
    x, y = foot
    canvas.draw.rectangle(
        (x - height * 0.025, y - height * 0.2, x + height * 0.025, y), fill=colour
    )
    tiers = 5
    for n in range(tiers):
        top = y - height + height * 0.16 * n
        half = height * (0.07 + 0.035 * n) * canvas.rng.uniform(0.9, 1.15)
        bottom = top + height * 0.28
        canvas.draw.polygon([(x, top), (x - half, bottom), (x + half, bottom)], fill=colour)


def grove(canvas: Canvas, line: Line, colour: Colour, size: float) -> None:
    """A few round trees standing on a line; `size` in hundredths of the shorter side."""
    for _ in range(canvas.rng.randint(3, 8)):
        x, y = canvas.rng.choice(line)
        radius = canvas.unit * size * canvas.rng.uniform(0.6, 1.1)
        canvas.draw.rectangle(
            (x - radius * 0.1, y - radius, x + radius * 0.1, y + radius * 0.2), fill=colour
        )
        light = mix(colour, canvas.palette.light, 0.12)
        for dx, dy, share in ((0, -1.5, 0.8), (-0.5, -1.1, 0.6), (0.5, -1.1, 0.6)):
            disc(canvas, (x + dx * radius, y + dy * radius), share * radius, colour)
        disc(canvas, (x - 0.2 * radius, y - 1.65 * radius), 0.5 * radius, light)


def flowers(canvas: Canvas, top: float) -> None:
    """Flowers from `top` (0-1 of the height) down, larger in front."""
    for n in range(240):
        share = (n / 240) ** 1.2
        x = canvas.rng.uniform(0, canvas.width)
        y = canvas.height * (top + (1.02 - top) * share) + canvas.rng.uniform(0, canvas.unit)
        size = canvas.unit * (0.25 + 0.75 * share) * canvas.rng.uniform(0.7, 1.2)
        colour = canvas.rng.choice(canvas.palette.accents)
        if canvas.palette.dark:
            colour = mix(colour, canvas.palette.sky[2], 0.5)
        stem = mix(canvas.palette.near, (96, 150, 62), 0.3)
        width = max(1, round(size / 3))
        canvas.draw.line((x, y, x + size * 0.3, y + size * 4), fill=stem, width=width)
        for turn in range(5):
            angle = turn * math.tau / 5
            petal = x + math.cos(angle) * size * 0.7, y + math.sin(angle) * size * 0.55
            disc(canvas, petal, size * 0.55, colour)
        disc(canvas, (x, y), size * 0.4, mix(canvas.palette.light, (240, 180, 40), 0.4))


def skyline(canvas: Canvas, base: float, height: float, colour: Colour, lit: int) -> None:
    """A row of buildings; `lit` (0-2) is how many of their windows shine."""
    x = -canvas.unit * 2
    while x < canvas.width:
        width = canvas.unit * canvas.rng.uniform(5, 12)
        middle = 1 - abs(x / canvas.width - 0.5)
        tall = canvas.height * height * canvas.rng.uniform(0.35, 1) * middle
        box = (x, canvas.height * base - tall, x + width, canvas.height * base)
        canvas.draw.rectangle(box, fill=colour)
        _roof(canvas, box, colour)
        _windows(canvas, box, mix(WINDOW, colour, 0.75 - 0.3 * lit), 0.16 + 0.12 * lit)
        x += width + canvas.unit * canvas.rng.uniform(-1, 1.4)


def _roof(canvas: Canvas, box: tuple[float, float, float, float], colour: Colour) -> None:
    left, top, right, _ = box
    middle, unit = (left + right) / 2, canvas.unit
    match canvas.rng.choice(("flat", "flat", "spire", "step", "slant")):
        case "spire":
            canvas.draw.polygon([(left, top), (middle, top - unit * 5), (right, top)], fill=colour)
            canvas.draw.line(
                (middle, top - unit * 8, middle, top), fill=colour, width=round(unit / 3) + 1
            )
        case "step":
            canvas.draw.rectangle(
                (left + unit * 1.2, top - unit * 2, right - unit * 1.2, top), fill=colour
            )
        case "slant":
            canvas.draw.polygon([(left, top), (right, top - unit * 3), (right, top)], fill=colour)


def _windows(
    canvas: Canvas, box: tuple[float, float, float, float], colour: Colour, share: float
) -> None:
    left, top, right, bottom = box
    step, size = canvas.unit * 1.25, canvas.unit * 0.55
    y = top + step * 0.8
    while y < bottom - step:
        x = left + step * 0.6
        while x < right - step * 0.7:
            if canvas.rng.random() < share:
                canvas.draw.rectangle((x, y, x + size, y + size * 1.2), fill=colour)
            x += step
        y += step * 1.2


def planet(canvas: Canvas, at: Point, radius: float, deep: Colour) -> None:
    """A banded planet, lit from one side, with a ring that passes behind it."""
    glow(canvas, at, radius * 2.2, canvas.palette.sky[2], 0.5)
    ring = mix(canvas.palette.light, canvas.palette.far, 0.35)
    _ring(canvas, at, radius, ring, front=False)
    size = round(radius * 2)
    accents = canvas.palette.accents
    stops = [mix(canvas.rng.choice(accents), canvas.palette.light, 0.15) for _ in range(9)]
    ball = gradient((size, size), stops).rotate(-18, Image.Resampling.BICUBIC)
    ball = ball.resize((size, size))
    # The middle of the light lies up and to the left of the ball's own.
    shade = Image.radial_gradient("L").crop((114, 114, 199, 199)).resize((size, size))
    ball.paste(deep, mask=shade.point(lambda value: min(240, max(0, value - 22) * 4)))
    edge = Image.new("L", (size, size))
    ImageDraw.Draw(edge).ellipse((0, 0, size - 1, size - 1), fill=255)
    canvas.image.paste(ball, (round(at[0] - radius), round(at[1] - radius)), edge)
    _ring(canvas, at, radius, ring, front=True)


def _ring(canvas: Canvas, at: Point, radius: float, colour: Colour, *, front: bool) -> None:
    side = round(radius * 5)
    mask = Image.new("L", (side, side))
    pen = ImageDraw.Draw(mask)
    middle = side / 2
    for reach, alpha in ((2.2, 200), (2.0, 60), (1.92, 170), (1.55, 110)):
        box = (middle - radius * reach, middle - radius * reach * 0.3)
        pen.arc(
            (*box, middle + radius * reach, middle + radius * reach * 0.3),
            0 if front else 180,
            180 if front else 360,
            fill=alpha,
            width=max(1, round(radius * 0.09)),
        )
    mask = mask.rotate(18, Image.Resampling.BICUBIC)
    place = round(at[0] - middle), round(at[1] - middle)
    canvas.image.paste(colour, (*place, place[0] + side, place[1] + side), mask)


def islet(canvas: Canvas, line: Line, width: float, horizon: float) -> None:
    """An island on the horizon, cut out of a line of mountains."""
    left = canvas.rng.uniform(0, canvas.width - width)
    inside = [(x, y) for x, y in line if left <= x <= left + width]
    ends = len(inside) - 1
    shore = canvas.height * horizon
    points = [
        (x, shore - max(0.0, shore - y) * math.sin(math.pi * n / ends))
        for n, (x, y) in enumerate(inside)
    ]
    canvas.draw.polygon(
        [*points, (left + width, shore), (left, shore)], fill=canvas.palette.depth(0.4)
    )


def birds(canvas: Canvas) -> None:
    """A loose flock."""
    colour = mix(canvas.palette.near, canvas.palette.sky[0], 0.2)
    x0, y0 = (
        canvas.width * canvas.rng.uniform(0.25, 0.7),
        canvas.height * canvas.rng.uniform(0.15, 0.3),
    )
    for _ in range(canvas.rng.randint(7, 12)):
        x, y = canvas.rng.gauss(x0, canvas.unit * 12), canvas.rng.gauss(y0, canvas.unit * 5)
        span = canvas.unit * canvas.rng.uniform(1.2, 2.6)
        width = max(1, round(span / 6))
        for side in (-1, 1):
            box = (x + min(0, side * span), y - span * 0.4, x + max(0, side * span), y + span * 0.6)
            canvas.draw.arc(box, 190, 350, fill=colour, width=width)


def balloon(canvas: Canvas) -> None:
    """A hot-air balloon."""
    x, y = (
        canvas.width * canvas.rng.uniform(0.25, 0.75),
        canvas.height * canvas.rng.uniform(0.2, 0.35),
    )
    radius = canvas.unit * canvas.rng.uniform(7, 11)
    base, stripe = canvas.rng.sample(canvas.palette.accents, 2)
    for share, colour in ((1, base), (0.66, stripe), (0.3, base)):
        half = radius * share
        canvas.draw.ellipse((x - half, y - radius, x + half, y + radius), fill=colour)
        canvas.draw.polygon(
            [
                (x - half * 0.86, y + radius * 0.5),
                (x + half * 0.86, y + radius * 0.5),
                (x + half * 0.22, y + radius * 1.4),
                (x - half * 0.22, y + radius * 1.4),
            ],
            fill=colour,
        )
    basket = mix((120, 74, 40), canvas.palette.near, 0.3)
    ropes = max(1, round(canvas.unit * 0.15))
    for side in (-1, 1):
        canvas.draw.line(
            (
                x + side * radius * 0.2,
                y + radius * 1.4,
                x + side * radius * 0.14,
                y + radius * 1.75,
            ),
            fill=basket,
            width=ropes,
        )
    canvas.draw.rectangle(
        (x - radius * 0.17, y + radius * 1.72, x + radius * 0.17, y + radius * 2), fill=basket
    )


def sailboat(canvas: Canvas) -> None:
    """A boat under sail."""
    x, y = (
        canvas.width * canvas.rng.uniform(0.3, 0.7),
        canvas.height * canvas.rng.uniform(0.68, 0.76),
    )
    size = canvas.unit * canvas.rng.uniform(9, 13)
    hull, sail = (
        mix(canvas.palette.near, (70, 30, 20), 0.3),
        mix(canvas.palette.light, (255, 255, 255), 0.3),
    )
    canvas.draw.polygon(
        [
            (x - size, y),
            (x + size * 1.1, y),
            (x + size * 0.75, y + size * 0.32),
            (x - size * 0.75, y + size * 0.32),
        ],
        fill=hull,
    )
    canvas.draw.line((x, y, x, y - size * 1.9), fill=hull, width=max(1, round(size / 18)))
    canvas.draw.polygon(
        [
            (x + size * 0.07, y - size * 0.1),
            (x + size * 0.07, y - size * 1.85),
            (x + size * 0.95, y - size * 0.1),
        ],
        fill=sail,
    )
    shade = mix(sail, canvas.palette.horizon, 0.45)
    canvas.draw.polygon(
        [
            (x - size * 0.07, y - size * 0.1),
            (x - size * 0.07, y - size * 1.5),
            (x - size * 0.75, y - size * 0.1),
        ],
        fill=shade,
    )


def lighthouse(canvas: Canvas) -> None:
    """A banded tower on a rock, with its lamp lit."""
    x, y = canvas.width * canvas.rng.choice((0.2, 0.8)), canvas.height * 0.74
    size = canvas.unit * canvas.rng.uniform(11, 14)
    rock = mix(canvas.palette.near, (40, 38, 44), 0.5)
    paint = mix(canvas.palette.near, (150, 40, 34), 0.6), mix(canvas.palette.horizon, WINDOW, 0.2)
    disc(canvas, (x - size * 0.3, y + size * 0.2), size * 0.45, rock)
    canvas.draw.ellipse((x - size, y - size * 0.15, x + size * 1.1, y + size * 0.5), fill=rock)
    bands = 7
    for n in range(bands):
        low, high = (size * (0.34 - 0.16 * (n + end) / bands) for end in (0, 1))
        bottom, top = (y - size * 2 * (n + end) / bands for end in (0, 1))
        corners = [(x - low, bottom), (x + low, bottom), (x + high, top), (x - high, top)]
        canvas.draw.polygon(corners, fill=paint[n % 2])
    lamp = x, y - size * 2.16
    canvas.draw.rectangle((x - size * 0.24, y - size * 2.05, x + size * 0.24, y - size * 2), rock)
    glow(canvas, lamp, size * 1.5, WINDOW, 0.8)
    disc(canvas, lamp, size * 0.13, WINDOW)
    roof = y - size * 2.28
    canvas.draw.polygon(
        [(x - size * 0.2, roof), (x, roof - size * 0.22), (x + size * 0.2, roof)], rock
    )


def house(canvas: Canvas) -> None:
    """A small house with a light in it."""
    x, y = (
        canvas.width * canvas.rng.uniform(0.2, 0.75),
        canvas.height * canvas.rng.uniform(0.76, 0.82),
    )
    size = canvas.unit * canvas.rng.uniform(6, 8)
    wall, roof = (
        mix(canvas.palette.horizon, canvas.palette.near, 0.35),
        mix(canvas.palette.near, (120, 40, 30), 0.35),
    )
    canvas.draw.rectangle((x, y - size, x + size * 1.6, y), fill=wall)
    canvas.draw.rectangle((x + size * 1.1, y - size * 1.75, x + size * 1.28, y - size), fill=roof)
    canvas.draw.polygon(
        [(x - size * 0.2, y - size), (x + size * 0.8, y - size * 1.8), (x + size * 1.8, y - size)],
        fill=roof,
    )
    for left in (0.25, 1.0):
        at = (x + size * (left + 0.17), y - size * 0.55)
        glow(canvas, at, size * 0.8, WINDOW, 0.7)
        canvas.draw.rectangle(
            (x + size * left, y - size * 0.75, x + size * (left + 0.34), y - size * 0.35),
            fill=WINDOW,
        )


def snowfall(canvas: Canvas) -> None:
    """Flakes, some near and soft."""
    for shrink, count, low, high in ((1, 500, 0.1, 0.3), (4, 60, 0.5, 1.1)):
        mask, pen = canvas.mask(shrink)
        for _ in range(count):
            x, y = canvas.rng.uniform(0, mask.width), canvas.rng.uniform(0, mask.height)
            r = canvas.unit / shrink * canvas.rng.uniform(low, high)
            pen.ellipse((x - r, y - r, x + r, y + r), fill=200 if shrink == 1 else 130)
        canvas.stain(mask, (255, 255, 255))


def rainfall(canvas: Canvas) -> None:
    """Slanting threads."""
    mask, pen = canvas.mask()
    for _ in range(420):
        x, y = (
            canvas.rng.uniform(0, canvas.width * 1.1),
            canvas.rng.uniform(-0.05, 1) * canvas.height,
        )
        length = canvas.unit * canvas.rng.uniform(2, 5)
        pen.line(
            (x, y, x - length * 0.25, y + length), fill=80, width=max(1, round(canvas.unit / 8))
        )
    canvas.stain(mask, mix(canvas.palette.horizon, (255, 255, 255), 0.5))


def northern_lights(canvas: Canvas) -> None:
    """Curtains of light in the upper sky."""
    for tone in ((70, 240, 160), (90, 200, 240), (170, 110, 240)):
        mask, pen = canvas.mask(4)
        phase, base = canvas.rng.uniform(0, math.tau), canvas.rng.uniform(0.22, 0.4)
        for column in range(0, mask.width, 2):
            swing = math.sin(column / mask.width * 5 + phase) + 0.4 * math.sin(
                column / mask.width * 13
            )
            foot = mask.height * (base + 0.06 * swing)
            tall = mask.height * (0.16 + 0.06 * math.sin(column / mask.width * 31 + phase))
            for n in range(8):
                top = foot - tall * (n + 1) / 8
                pen.rectangle(
                    (column, top, column + 1, foot - tall * n / 8),
                    fill=round(120 * (1 - n / 8) ** 1.4),
                )
        canvas.stain(mask.filter(ImageFilter.GaussianBlur(canvas.unit / 4)), tone)
