"""A receiver of webhooks, and somebody who has one there."""

from collections.abc import Iterator
from typing import Any

import pytest

from credits.events.endpoints import WithSecret, add_endpoint
from credits.models import User
from tests.fakes.receiver import Receiver, running_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def to_anywhere(settings: Any) -> None:
    """The receiver is on the loopback address."""
    settings.WEBHOOKS_TO_ANY_ADDRESS = True


@pytest.fixture
def hook(alice: User, receiver: Receiver, to_anywhere: None) -> WithSecret:
    """Alice's webhook, with its secret."""
    return add_endpoint(account_id=alice.pk, url=receiver.url)
