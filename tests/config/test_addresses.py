"""Where a request comes from, for counting wrong passwords."""

from collections.abc import Callable
from typing import Any

import pytest

from config.addresses import client_address
from tests.live import Site


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


def test_no_header_with_an_underscore_is_believed(start_site: Callable[..., Site]) -> None:
    """`X_Forwarded_For` would reach WSGI under the name of `X-Forwarded-For`."""
    site = start_site(TRUSTED_PROXY="1", PASSWORDS_PER_HOUR="5")
    statuses = []
    for number in range(6):
        headers = {"X-Forwarded-For": "203.0.113.7", "X_Forwarded_For": f"198.51.100.{number}"}
        form = {"username": f"nobody{number}@example.com", "password": "a guess"}
        statuses.append(site.client().post("/sign-in", data=form, headers=headers).status_code)
    assert statuses == [200] * 5 + [429]
