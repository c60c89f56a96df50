"""The pictures that the local provider draws, through the SDK as the site asks for them."""

import io
from collections.abc import Iterator

import openai
import pytest
from PIL import Image, ImageStat

from ai_chat.local_provider.api import serve
from ai_chat.local_provider.engine import (
    ChatRequest,
    ContextTooLong,
    Done,
    EmbeddingsRequest,
    Events,
    ImageRequest,
)
from ai_chat.local_provider.painter import paint
from tests.ai_chat.sdk import pictures, sdk, streamed, whole


class PaintingEngine:
    """The painter behind the server, as in the real engine, without the model."""

    def chat(self, request: ChatRequest) -> Events:
        if request.messages:
            raise ContextTooLong("Too long.")
        yield Done()

    def paint(self, request: ImageRequest) -> Events:
        for index in range(request.count):
            yield paint(request.prompt, index=index, width=request.width, height=request.height)

    def embed(self, request: EmbeddingsRequest) -> Events:
        assert request
        yield Done()


@pytest.fixture
def painter() -> Iterator[openai.OpenAI]:
    server = serve(PaintingEngine(), 0)
    with sdk(server.base_url) as client:
        yield client
    server.stop()


@pytest.mark.parametrize("size", ["256x256", "1536x1024", "64x2048"])
def test_a_picture_is_a_png_of_the_size_asked_for(painter: openai.OpenAI, size: str) -> None:
    [data] = pictures(painter, "The sea at night", size=size)
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    assert f"{image.width}x{image.height}" == size


def test_the_same_prompt_gives_the_same_pictures_and_each_is_another(
    painter: openai.OpenAI,
) -> None:
    first = pictures(painter, "A lake", n=2)
    assert first == pictures(painter, "A lake", n=2)
    assert len({*first, *pictures(painter, "A lake at night", n=2)}) == 4


def test_the_words_of_a_prompt_choose_the_light(painter: openai.OpenAI) -> None:
    def brightness(prompt: str) -> float:
        [data] = pictures(painter, prompt)
        return ImageStat.Stat(Image.open(io.BytesIO(data)).convert("L")).mean[0]

    assert brightness("mountains at night") < brightness("mountains at noon") / 2


SCENES = "mountain lake sea forest city desert meadow space abstract"
THINGS = "birds balloon boat lighthouse house snow rain aurora"


@pytest.mark.parametrize("scene", SCENES.split())
@pytest.mark.parametrize("light", ["day", "red night", "mist"])
def test_every_scene_can_be_drawn_with_everything_in_it(scene: str, light: str) -> None:
    data = paint(f"{scene} {light} {THINGS}", index=0, width=96, height=64)
    assert Image.open(io.BytesIO(data)).size == (96, 64)


def test_a_conversation_that_is_too_long_is_refused_as_openai_does(
    painter: openai.OpenAI,
) -> None:
    for ask in (streamed, whole):
        with pytest.raises(openai.BadRequestError) as raised:
            ask(painter, "Hi")
        assert raised.value.code == "context_length_exceeded"
