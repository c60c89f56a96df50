"""The site's settings with the bare view beside it."""

from tests.settings import *

ROOT_URLCONF = "tests.bench.urls"
