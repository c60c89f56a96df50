"""Images in an S3-compatible store, named by the environment alone."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow

from ai_chat.models import DataJob, ImageRequest
from credits.models import User
from tests.ai_chat.api.client import Program
from tests.factories import PASSWORD
from tests.fakes import s3
from tests.fakes.provider import FakeProvider
from tests.live import Site, running_worker
from tests.waiting import wait_for

#: How a site is told of the store, besides its address.
VARIABLES = {
    "MEDIA_S3_BUCKET": s3.BUCKET,
    "MEDIA_S3_REGION": "eu-central-1",
    "MEDIA_S3_ACCESS_KEY": s3.ACCESS_KEY,
    "MEDIA_S3_SECRET_KEY": s3.SECRET_KEY,
    "MEDIA_S3_PREFIX": "tally",
}


@pytest.fixture
def store() -> Iterator[s3.FakeS3]:
    with s3.running_s3() as store:
        yield store


@pytest.fixture
def studio(
    start_site: Callable[..., Site], provider: FakeProvider, store: s3.FakeS3, alice: User
) -> Program:
    site = start_site(OPENAI_BASE_URL=provider.base_url, MEDIA_S3_ENDPOINT=store.url, **VARIABLES)
    return Program(site, alice)


def test_images_are_kept_served_and_deleted_there(
    studio: Program, store: s3.FakeS3, bob: User
) -> None:
    answer = studio.paint("A tree", count=2, size="128x64").json()
    assert len(store.objects) == len(answer["images"]) == 2
    assert all(key.startswith(f"tally/images/{studio.user.pk}/") for key in store.objects)
    url = answer["images"][0]["url"]
    file = studio.client.get(url)
    assert Pillow.open(BytesIO(file.content)).size == (128, 64)
    assert file.content in store.objects.values()
    assert studio.site.client(bob).get(url).status_code == 404
    assert studio.client.delete(f"/api/ai/images/{answer['images'][0]['id']}").status_code == 204
    assert len(store.objects) == 1
    assert studio.client.get(url).status_code == 404


def test_a_store_that_does_not_answer_costs_nothing(studio: Program, store: s3.FakeS3) -> None:
    store.down = True
    answer = studio.paint("A tree")
    assert answer.status_code == 502
    assert (answer.json()["reason"], studio.balance) == ("storage_failed", 100)
    assert store.objects == {}


def test_a_file_that_is_gone_is_not_found(studio: Program, store: s3.FakeS3) -> None:
    url = studio.paint("A tree").json()["images"][0]["url"]
    store.objects.clear()
    assert studio.client.get(url).status_code == 404


def test_what_a_lost_request_has_left_is_found_and_deleted(
    store: s3.FakeS3, settings: object, alice: User
) -> None:
    settings.STORAGES = {  # type: ignore[attr-defined]
        **settings.STORAGES,  # type: ignore[attr-defined]
        "default": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": s3.BUCKET,
                "endpoint_url": store.url,
                "access_key": s3.ACCESS_KEY,
                "secret_key": s3.SECRET_KEY,
            },
        },
    }
    request = ImageRequest(user=alice)
    store.objects = {f"{request.folder}/one.png": b"1", "images/other/two.png": b"2"}
    request.discard_result()
    assert list(store.objects) == ["images/other/two.png"]


def test_what_a_closed_account_has_there_is_erased_and_an_archive_is_kept_there(
    studio: Program, store: s3.FakeS3, tmp_path: Path
) -> None:
    studio.paint("A tree", count=2)
    others = {"tally/images/0/r/other.png": b"1", "tally/archives/0/other.zip": b"2"}
    store.objects |= others
    studio.client.post("/account/data/archive")
    with running_worker(VARIABLES | {"MEDIA_S3_ENDPOINT": store.url}, log=tmp_path / "worker.log"):
        wait_for(DataJob.objects.filter(state="done").exists, "the archive")
        job = DataJob.objects.get()
        archive = studio.client.get(f"/account/data/archives/{job.pk}")
        assert archive.content == store.objects[f"tally/archives/{studio.user.pk}/{job.pk}.zip"]
        studio.client.post("/account/close", data={"password": PASSWORD})
        wait_for(DataJob.objects.filter(kind="erasure", state="done").exists, "the erasure")
    assert store.objects == others
