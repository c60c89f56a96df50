"""Webhooks go to public addresses alone: judged when one is added and at every connection."""

import socket
import threading
from typing import Any

import httpcore2
import pytest

from config.errors import InvalidInput
from credits.events import addresses
from credits.events.addresses import NoAddress, NotPublic, check, is_public, parse
from credits.events.calls import Call, post
from credits.events.endpoints import add_endpoint
from credits.models import User
from tests.fakes.receiver import Receiver

PUBLIC = "93.184.215.14"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What the names resolve to at each look; the last stays. Everything else as it is."""
    table: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host not in table:
            return real(host, port, *rest, **options)
        looks = table[host]
        ips = looks.pop(0) if len(looks) > 1 else looks[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return table


@pytest.mark.parametrize("address", [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1",
    "168.63.129.16", "100.100.100.200",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:93.184.215.14", "::127.0.0.1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "2001:db8::1",
    "2002:7f00:1::", "2002:5db8:d70e::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::5db8:d70e", "100::1", "3fff::1",
    "5f00::1", "4000::1", "", "localhost", "2130706433", "0x7f.1",
])  # fmt: skip
def test_no_public_address(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [
    PUBLIC, "1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e",
    "64:ff9b::5db8:d70e",
])  # fmt: skip
def test_public_address(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("url", [
    "", "example.com", "//example.com", "http://example.com/", "ftp://example.com/",
    "https://", "https:///x", "https://user@example.com/", "https://user:secret@example.com/",
    "https://@example.com/", "https://example.com:80/", "https://example.com:22/",
    "https://example.com:0/", "https://example.com:x/", "https://example.com:99999/",
    "https://example.com/#part", "https://example.com/a b", "https://example.com/\r\nX: y",
    "https://example.com\\@evil.example/", "https://exa\tmple.com/", "https://[::1/",
    "https://[fe80::1%25eth0]/", "https://[v1.x]/", "https://" + "a" * 64 + "é.example/",
    "https://example.com/" + "x" * 500, "https://exa mple.com/", "javascript:alert(1)",
    "file:///etc/passwd", "https://xn--\u2024.example/",
])  # fmt: skip
def test_no_address_of_a_webhook(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(url)
    assert refused.value.path == ("url",)


def test_an_address_is_kept_as_the_wire_has_it() -> None:
    assert parse("https://Example.COM").url == "https://example.com/"
    assert parse("https://example.com:443/x?a=b&c=%20").url == "https://example.com/x?a=b&c=%20"
    assert parse("https://example.com:8443?x").url == "https://example.com:8443/?x"
    assert parse("https://bücher.example/ä").url == "https://xn--bcher-kva.example/%C3%A4"
    assert parse("https://[2606:4700:4700::1111]/").authority == "[2606:4700:4700::1111]"


@pytest.mark.parametrize("url", [
    "https://127.0.0.1/", "https://2130706433/", "https://0x7f000001/", "https://017700000001/",
    "https://127.1/", "https://0/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://localhost/", "https://localhost./",
    "https://169.254.169.254/latest/meta-data/", "https://１２７.０.０.１/", "https://127。0。0。1/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
])  # fmt: skip
def test_whatever_means_this_machine_is_refused(url: str) -> None:
    with pytest.raises((NotPublic, NoAddress)):
        check(url)
    refused = post(Call(url, {}, b"{}"))
    assert (refused.status, refused.failure) in {(None, "refused"), (None, "no_address")}


def test_one_private_address_among_public_ones_is_enough(
    names: dict[str, list[list[str]]],
) -> None:
    names["mixed.example"] = [[PUBLIC, "10.0.0.1"]]
    with pytest.raises(NotPublic):
        check("https://mixed.example/")
    names["mixed.example"] = [[PUBLIC]]
    assert check("https://mixed.example/") == "https://mixed.example/"


def test_a_name_that_changes_its_address_later_is_refused_then(
    names: dict[str, list[list[str]]],
) -> None:
    names["rebind.example"] = [[PUBLIC], ["127.0.0.1"]]
    url = check("https://rebind.example/")
    assert post(Call(url, {}, b"{}")).failure == "refused"


def test_the_connection_goes_to_the_address_that_was_judged(
    names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names["rebind.example"] = [[PUBLIC, "1.1.1.1"], ["127.0.0.1"]]
    connected: list[str] = []

    def connect(self: Any, host: str, port: int, **_: Any) -> Any:
        connected.append(host)
        raise httpcore2.ConnectError

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect)
    assert post(Call("https://rebind.example/", {}, b"{}")).failure == "connect"
    assert connected == [PUBLIC, "1.1.1.1"]


def test_a_lookup_takes_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(addresses, "LOOKUP_SECONDS", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait(60) and [])
    with pytest.raises(NoAddress):
        check("https://slow.example/")
    never.set()


@pytest.mark.django_db
def test_nobody_adds_a_webhook_at_this_machine(alice: User, receiver: Receiver) -> None:
    for url in (receiver.url, receiver.url.replace("http", "https"), "https://localhost/"):
        with pytest.raises(InvalidInput):
            add_endpoint(account_id=alice.pk, url=url)
    assert receiver.received == []
