"""Files of any content are read in bounds, or refused with a sentence."""

import json
import random
from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest

from ai_chat.imports import reading
from ai_chat.imports.reading import Unreadable, chats_in
from tests.ai_chat.imports.exports import as_file, zipped


def read(file: BytesIO) -> list[Any]:
    return list(chats_in(file, progress=lambda *_: None))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 18])
def test_pieces_end_anywhere(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", size)
    chats = [
        {"a": 'quote " and \\ back\\\\', "b": [1, {"c": "]}["}]},
        {},
        {"é": "\u2028 𝄞", "d": {"e": []}},
    ]
    for text in (json.dumps(chats), json.dumps(chats, ensure_ascii=False, indent=2)):
        assert read(BytesIO(b"\xef\xbb\xbf" + text.encode())) == chats
    assert read(as_file(chats[0])) == [chats[0]]
    assert read(BytesIO(b"\n".join(json.dumps(each).encode() for each in chats))) == chats


def test_cut_anywhere_it_is_refused_and_never_an_error_of_another_kind() -> None:
    text = json.dumps([{"a": 'x"y\\'}, {"b": [1, 2, {"c": None}]}]).encode()
    for place in range(len(text)):
        with pytest.raises(Unreadable):
            read(BytesIO(text[:place]))
    chosen = random.Random(7)
    for _ in range(300):
        broken = bytearray(text)
        for _ in range(3):
            broken[chosen.randrange(len(broken))] = chosen.choice(b'[]{}",:\\x\x00\xff')
        with suppress(Unreadable):
            read(BytesIO(broken))


def test_what_is_read_of_a_zip() -> None:
    inner = json.dumps([{"n": 1}])
    assert read(zipped({"conversations.json": inner, "user.json": "[{}]"})) == [{"n": 1}]
    assert read(zipped({"x/conversations-000.json": inner, "x/conversations-001.json": inner})) == [
        {"n": 1},
        {"n": 1},
    ]
    assert read(zipped({"chats/a.json": '{"n": 2}', "chats/a.md": "x"})) == [{"n": 2}]
    with pytest.raises(Unreadable, match="no chats in this ZIP"):
        read(zipped({"other.json": "[]", "../../conversations.txt": "x"}))


def test_a_name_that_leads_out_of_a_zip_leads_nowhere(tmp_path: Any) -> None:
    inner = json.dumps([{"n": 1}])
    assert read(zipped({"../../../../tmp/conversations.json": inner})) == [{"n": 1}]
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_given_up_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 3_000_000)
    bomb = zipped({"conversations.json": b"[" + b'{"a":"' + b" " * 10_000_000 + b'"}]'})
    assert len(bomb.getvalue()) < 20_000
    with pytest.raises(Unreadable, match="more than 3 MB"):
        read(bomb)


def test_a_chat_that_is_too_large_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_CHARACTERS", 2_000)
    monkeypatch.setattr(reading, "PIECE", 500)
    large = {"a": ["x" * 100] * 100}
    assert read(as_file([{"n": 1}, large, {"n": 2}])) == [{"n": 1}, None, {"n": 2}]
    monkeypatch.setattr(reading, "MOST_CONTAINERS", 50)
    assert read(as_file([{"n": [[]] * 60}, {"n": 2}])) == [None, {"n": 2}]


@pytest.mark.parametrize("start", [b"[", b'{"a":', b'[{"a":', b"[{", b"[["])
def test_a_hundred_megabytes_of_nesting_end_at_once(start: bytes) -> None:
    with pytest.raises(Unreadable):
        read(BytesIO(start * (100_000_000 // len(start))))


@pytest.mark.parametrize(
    "content",
    [b"[1, 2]", b'["a"]', b"[[1]]", b"{]", b"]", b"}", b"[}", b'{"a": 01}', b'{"a" 1}', b"nothing",
     b'{"a": ' + b"1" * 5000 + b"}"],
)  # fmt: skip
def test_what_is_no_export_is_refused_or_empty(content: bytes) -> None:
    with suppress(Unreadable):
        assert read(BytesIO(content)) == []


def test_a_damaged_or_encrypted_zip_is_refused() -> None:
    whole = zipped({"conversations.json": json.dumps([{"n": "x" * 5000}])}).getvalue()
    for place in (10, 40, len(whole) // 2, len(whole) - 30):
        damaged = bytearray(whole)
        damaged[place : place + 4] = b"\xff\x00\xff\x00"
        with suppress(Unreadable):
            read(BytesIO(damaged))
    with pytest.raises(Unreadable):
        read(BytesIO(whole[:-10]))
    locked = bytearray(whole)
    central = whole.index(b"PK\x01\x02")
    locked[6] |= 1
    locked[central + 8] |= 1
    with pytest.raises(Unreadable, match="encrypted"):
        read(BytesIO(locked))
