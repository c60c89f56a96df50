"""Where a request comes from, for counting wrong passwords."""

from collections.abc import Callable
from typing import Any

import pytest

from credits.users.addresses import client_address
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


@pytest.mark.parametrize("given", ["198.51.100.1", None])
def test_a_header_whose_name_has_no_second_spelling_can_be_believed_instead(
    rf: Any, settings: Any, given: str | None
) -> None:
    """`X_Forwarded_For` reaches WSGI under the name of `X-Forwarded-For`."""
    settings.TRUSTED_PROXY, settings.CLIENT_ADDRESS_HEADER = True, "Clientaddress"
    headers = {"HTTP_X_FORWARDED_FOR": "6.6.6.6"}
    if given:
        headers["HTTP_CLIENTADDRESS"] = given
    request = rf.get("/", REMOTE_ADDR="::ffff:127.0.0.1", **headers)
    assert client_address(request) == (given or "127.0.0.1")


def test_no_header_with_an_underscore_is_believed_beside_it(
    start_site: Callable[..., Site],
) -> None:
    """Through a proxy that passes everything on."""
    site = start_site(
        TRUSTED_PROXY="1", CLIENT_ADDRESS_HEADER="Clientaddress", PASSWORDS_PER_HOUR="5"
    )
    form = {"username": "nobody@example.com", "password": "a guess"}
    statuses = []
    for number in range(6):
        made_up = f"198.51.100.{number}"
        names = ("X-Forwarded-For", "X_Forwarded_For", "Client_address", "Client-Address")
        headers = {**dict.fromkeys(names, made_up), "Clientaddress": "203.0.113.7"}
        form["username"] = f"nobody{number}@example.com"
        statuses.append(site.client().post("/sign-in", data=form, headers=headers).status_code)
    assert statuses == [200] * 5 + [429]
