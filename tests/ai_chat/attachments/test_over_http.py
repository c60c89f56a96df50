"""Files over real HTTP: what is too large is refused before it is read."""

from collections.abc import Iterator

import pytest

from credits.models import User
from tests.live import Site

JSON = {"Accept": "application/json"}
MOST = 20 * 2**20
LARGE = b"x" * (MOST + 600_000)


@pytest.mark.parametrize("address", ["/ai-chat/files", "/api/files"])
def test_a_file_of_twenty_megabytes_is_taken_and_a_larger_one_is_not(
    chat_site: Site, alice: User, address: str
) -> None:
    client = chat_site.client(alice)
    sent = client.post(address, files={"file": ("a.txt", LARGE[:MOST])}, headers=JSON)
    assert sent.status_code == 201, sent.text
    body = sent.json()
    file = body["files"][0] if "files" in body else body
    assert (file["bytes"], file["isCut"]) == (MOST, True)
    client.delete(f"/api/files/{file['id']}")
    too_large = {"file": ("a.txt", LARGE[: MOST + 1])}
    refused = client.post(address, files=too_large, headers=JSON)
    assert (refused.status_code, refused.json()["error"]) == (413, "too_large")
    # One whose length alone is too much is not read.
    assert client.post(address, files={"file": ("a.txt", LARGE)}).status_code == 413


def test_a_body_without_a_length_is_bounded_too(chat_site: Site, alice: User) -> None:
    client = chat_site.client(alice)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(30):
            yield b"x" * 1_000_000

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    refused = client.post("/api/files", content=body(), headers=kind)
    assert (refused.status_code, refused.json()["error"]) == (413, "too_large")


def test_a_plain_form_that_is_too_large_gets_a_page(chat_site: Site, alice: User) -> None:
    answer = chat_site.client(alice).post("/ai-chat/files", files={"file": ("a.txt", LARGE)})
    assert answer.status_code == 413
    assert "more than 21 MB" in answer.text
    assert "<html" in answer.text
