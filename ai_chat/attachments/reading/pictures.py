"""Pictures: decoded to their last pixel, and written anew as models take them, without what else
was in the file."""

import warnings
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ai_chat.attachments.reading.result import Limits, Reading, Unreadable

FORMATS = ["PNG", "JPEG", "WEBP", "GIF"]
#: Pixels of the longer side: the most that common models look at.
MAX_SIDE = 2048
MAX_BYTES = 2_000_000
#: From the best on; the first that fits.
QUALITIES = (90, 80, 65, 45, 20)


def read(content: bytes, target: Path, limits: Limits) -> Reading:
    """Writes the picture, the first one of an animation, to `target`: upright, in sRGB, at most
    MAX_SIDE and MAX_BYTES large. Raises Unreadable."""
    Image.MAX_IMAGE_PIXELS = limits["pixels"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(content), formats=FORMATS) as opened:
                picture = _upright(opened, limits["pixels"])
                is_lossless = opened.format in {"PNG", "GIF"}
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many(limits["pixels"]) from None
    except UnidentifiedImageError:
        raise Unreadable("It is damaged: no picture can be made of it.") from None
    content_type, written = _written(picture, is_lossless=is_lossless)
    target.write_bytes(written)
    return {
        "kind": "picture",
        "content_type": content_type,
        "width": picture.width,
        "height": picture.height,
    }


def _too_many(pixels: int) -> Unreadable:
    return Unreadable(f"It has more than {pixels // 1_000_000} million pixels.")


def _upright(opened: Image.Image, pixels: int) -> Image.Image:
    # Before a pixel is decoded: a small file can claim any size.
    if opened.width * opened.height > pixels:
        raise _too_many(pixels)
    opened.draft("RGB", (MAX_SIDE, MAX_SIDE))  # A JPEG is decoded smaller where that is enough.
    opened.load()
    picture = _in_srgb(_in_colours(opened))
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return ImageOps.exif_transpose(picture)


def _in_colours(picture: Image.Image) -> Image.Image:
    """In 8 bits for each of red, green and blue, and transparency where there is some."""
    if picture.mode.startswith(("I", "F")):
        # Pillow would take what is beyond 8 bits for white.
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    return picture if picture.mode in {mode, "CMYK"} else picture.convert(mode)


def _in_srgb(picture: Image.Image) -> Image.Image:
    """By its profile; one that cannot be read is taken to be sRGB."""
    mode = "RGB" if picture.mode == "CMYK" else picture.mode
    if profile := picture.info.get("icc_profile"):
        try:
            converted = ImageCms.profileToProfile(
                picture,
                ImageCms.ImageCmsProfile(BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode=mode,
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
        else:
            assert converted
            return converted
    return picture.convert(mode)


def _written(picture: Image.Image, *, is_lossless: bool) -> tuple[str, bytes]:
    """Media type and content; what was kept without loss is again, if it is small enough."""
    clean = Image.frombytes(picture.mode, picture.size, picture.tobytes())
    if is_lossless:
        content = _saved(clean, "PNG")
        if len(content) <= MAX_BYTES:
            return "image/png", content
    return "image/jpeg", _as_jpeg(clean)


def _as_jpeg(clean: Image.Image) -> bytes:
    flat = clean
    if clean.mode == "RGBA":
        flat = Image.new("RGB", clean.size, "white")
        flat.paste(clean, mask=clean.getchannel("A"))
    for quality in QUALITIES:
        content = _saved(flat, "JPEG", quality=quality)
        if len(content) <= MAX_BYTES:
            break
    return content


def _saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
