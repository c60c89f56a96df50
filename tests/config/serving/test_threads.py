"""The threads in which requests are answered, whatever a request does to its own."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import StreamingHttpResponse

from config.serving.answers import Answer
from config.serving.threads import Threads
from tests.parallel import run_async


class Response(StreamingHttpResponse):
    """One whose closing fails, as a file's may whose disk is gone."""

    def close(self) -> None:
        super().close()
        raise OSError


def pieces() -> Iterator[bytes]:
    yield b"begun"
    raise ValueError


@pytest.mark.parametrize("content", [[b"whole"], pieces()])
def test_a_response_that_cannot_be_closed_costs_no_thread(content: Any) -> None:
    names: list[str] = []

    def application(_: Any, start: Any) -> StreamingHttpResponse:
        names.append(threading.current_thread().name)
        start("200 OK", [])
        return Response(content)

    async def ask_often() -> None:
        threads = Threads(1)
        for _ in range(3):
            await threads.acquire("127.0.0.1")
            answer = Answer(never)
            threads.run(lambda answer=answer: answer.make(application, {}))  # type: ignore[misc]
            async with asyncio.timeout(5):
                await answer.deliver(ignore)

    run_async(ask_often())
    assert len(names) == 3


async def never() -> Any:
    await asyncio.Event().wait()


async def ignore(_: Any) -> None:
    pass
