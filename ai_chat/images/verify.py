"""Is it an image? A provider's word is not enough: the file is decoded to its last pixel."""

import struct
import warnings
import zlib
from io import BytesIO
from typing import NamedTuple

from django.conf import settings
from PIL import Image, UnidentifiedImageError

#: What is kept and served: Pillow's name → media type and ending.
TYPES = {"PNG": ("image/png", "png"), "JPEG": ("image/jpeg", "jpg"), "WEBP": ("image/webp", "webp")}
MIN_SIDE, MAX_SIDE = 16, 4096  # pixels


class NotAnImage(ValueError):
    """The bytes are no single still image of an allowed type and sane size."""


class Verified(NamedTuple):
    """What decoding an image has shown."""

    content_type: str
    ending: str
    width: int
    height: int


def verify(content: bytes) -> Verified:
    """Decodes a PNG, JPEG or WebP file wholly. Raises NotAnImage."""
    if not 0 < len(content) <= settings.IMAGE_MAX_BYTES:
        raise NotAnImage("size in bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns of some bombs and broken files.
            return _decoded(content)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        LookupError,
        EOFError,
        OverflowError,
        MemoryError,
        Warning,
        struct.error,
        zlib.error,
    ) as error:
        raise NotAnImage(type(error).__name__) from error


def _decoded(content: bytes) -> Verified:
    with Image.open(BytesIO(content), formats=list(TYPES)) as image:
        width, height = image.size
        # Before a pixel is decoded: a small file can claim to be a wall.
        if not (MIN_SIDE <= width <= MAX_SIDE and MIN_SIDE <= height <= MAX_SIDE):
            raise NotAnImage("size in pixels")
        if getattr(image, "n_frames", 1) != 1:
            raise NotAnImage("moving")
        content_type, ending = TYPES[image.format or ""]
        image.load()
    return Verified(content_type, ending, width, height)
