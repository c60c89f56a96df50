"""Pictures are written anew: upright, small, in sRGB, with nothing else in them."""

import random
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image as Picture
from PIL import ImageCms, PngImagePlugin
from pytest_django import Settings

from tests.ai_chat.attachments.making import picture
from tests.ai_chat.attachments.reading import Files

SECRET = "SECRET-PLACE"


def private(kind: str) -> bytes:
    """A picture that says where it was made, and is to be turned by 90 degrees."""
    exif = Picture.Exif()
    exif[0x0112], exif[0x010F], exif[0x8825] = 6, SECRET, {1: "N", 2: (52, 31, 12)}
    options: dict[str, Any] = {"exif": exif}
    if kind == "JPEG":
        options["comment"] = SECRET.encode()
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", SECRET)
    return picture(kind, (40, 20), **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_else_is_in_a_picture_is_removed_and_it_stands_upright(
    files: Files, kind: str
) -> None:
    content = private(kind)
    assert SECRET.encode() in content
    kept = files.picture(content)
    assert kept.size == (20, 40)
    assert SECRET.encode() not in files.kept
    assert not kept.getexif()


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [("JPEG", (4000, 1000), (2048, 512)), ("PNG", (900, 3000), (614, 2048)),
     ("WEBP", (2048, 2048), (2048, 2048)), ("GIF", (1, 1), (1, 1))],
)  # fmt: skip
def test_a_large_picture_becomes_small(
    files: Files, kind: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    content = picture(kind, size)
    reading = files.read(content)
    assert (reading["width"], reading["height"]) == expected
    assert Picture.open(BytesIO(files.kept)).size == expected


def test_noise_has_at_most_two_megabytes(files: Files) -> None:
    noise = Picture.frombytes("RGB", (2200, 2200), random.Random(1).randbytes(2200 * 2200 * 3))
    out = BytesIO()
    noise.save(out, "PNG", compress_level=0)
    assert files.picture(out.getvalue()).format == "JPEG"
    assert len(files.kept) <= 2_000_000


def test_of_an_animation_the_first_picture_is_kept(files: Files) -> None:
    colours = [Picture.new("RGB", (30, 30), colour) for colour in ("red", "blue", "lime")]
    out = BytesIO()
    colours[0].save(out, "GIF", save_all=True, append_images=colours[1:])
    kept = files.picture(out.getvalue())
    assert getattr(kept, "n_frames", 1) == 1
    assert kept.convert("RGB").getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "seen"),
    [("CMYK", (0, 255, 255, 0), "JPEG", (254, 0, 0)), ("I;16", 256 * 100, "PNG", (100,) * 3),
     ("LA", (80, 255), "PNG", (80,) * 3), ("1", 1, "PNG", (255,) * 3),
     ("P", 0, "GIF", (0,) * 3)],
)  # fmt: skip
def test_colours_stay_whatever_way_they_are_written(
    files: Files, mode: str, colour: Any, kind: str, seen: tuple[int, ...]
) -> None:
    kept = files.picture(picture(kind, (20, 20), mode=mode, colour=colour))
    pixel = kept.convert("RGB").getpixel((5, 5))
    assert isinstance(pixel, tuple)
    assert all(abs(one - other) <= 2 for one, other in zip(pixel, seen, strict=True)), pixel


def test_transparency_stays(files: Files) -> None:
    kept = files.picture(picture(mode="RGBA", colour=(255, 0, 0, 0)))
    assert kept.getpixel((2, 2)) == (255, 0, 0, 0)


def test_a_broken_profile_of_colours_is_not_needed(files: Files) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for each in (profile, profile[:200], b"none"):
        kept = files.picture(picture("PNG", colour=(10, 200, 30), icc_profile=each))
        assert kept.convert("RGB").getpixel((1, 1)) == (10, 200, 30)
        assert "icc_profile" not in kept.info


def claiming(width: int, height: int) -> bytes:
    """A PNG that claims to be so large, and is a few bytes long."""

    def chunk(name: bytes, data: bytes) -> bytes:
        ends = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + ends

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_picture_of_too_many_pixels_is_refused_before_any_is_decoded(
    files: Files, settings: Settings
) -> None:
    assert "50 million pixels" in files.refusal(claiming(100_000, 100_000))
    assert "50 million pixels" in files.refusal(picture("PNG", (20_000, 20_000), mode="1"))
    settings.ATTACHMENT_MAX_PIXELS = 1_000_000
    assert "1 million pixels" in files.refusal(picture("GIF", (1001, 1000)))
    assert files.read(picture("GIF", (1000, 1000)))["width"] == 1000


def test_text_that_unpacks_to_gigabytes_in_a_picture_is_refused(files: Files) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "x" * 50_000_000, zip=True)
    assert "damaged" in files.refusal(picture(pnginfo=info))


@pytest.mark.parametrize("content", [
    picture("JPEG", (300, 300))[:-200], picture("PNG", (300, 300))[:-30], picture("WEBP")[:20],
    b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(50), b"\xff\xd8\xff" + bytes(50), claiming(0, 0),
])  # fmt: skip
def test_a_damaged_picture_is_refused(files: Files, content: bytes) -> None:
    assert "damaged" in files.refusal(content)


def test_a_kind_of_picture_that_models_do_not_take_is_named(files: Files) -> None:
    assert "JPEG or PNG" in files.refusal(b"\0\0\0\x18ftypheic" + bytes(100))
    for kind in ("BMP", "TIFF", "ICO"):
        assert "cannot be read here" in files.refusal(picture(kind, (32, 32)))
