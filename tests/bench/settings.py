"""The site's settings with the bare view beside it."""

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.urls"
