"""Where a request comes from, for counting wrong passwords."""

from typing import Any

import pytest

from credits.users.addresses import client_address


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", "0.0.0.0"),
        ("unix:", "0.0.0.0"),
    ],
)
def test_the_peer_counts(rf: Any, peer: str, counted: str) -> None:
    request = rf.get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR="198.51.100.1")
    assert client_address(request) == counted


@pytest.mark.parametrize(
    ("header", "counted"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("198.51.100.1,  2001:db8::1", "2001:db8::"),
        ("", "203.0.113.7"),
        ("nonsense", "0.0.0.0"),
    ],
)
def test_behind_a_trusted_proxy_its_own_entry_counts(
    rf: Any, settings: Any, header: str, counted: str
) -> None:
    settings.TRUSTED_PROXY = True
    request = rf.get("/", REMOTE_ADDR="203.0.113.7", HTTP_X_FORWARDED_FOR=header)
    assert client_address(request) == counted
