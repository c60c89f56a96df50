"""The site's own settings, as the tests run them: with a secret of their own, and pages whose
static files need no collecting."""

import os

os.environ.setdefault("SECRET_KEY", "tests-only-" + "t" * 40)
os.environ.setdefault("ALLOWED_HOSTS", "localhost,127.0.0.1,testserver")
os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ.setdefault("HTTPS", "0")
os.environ.setdefault("LOCAL_DISCOVERY", "0")

from config.settings import *

STORAGES = {
    **STORAGES,  # noqa: F405
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
PASSWORD_HASHERS = ["tests.hashers.QuickHasher"]
# Running sites find the static files in their sources, so nothing is collected for a test.
WHITENOISE_USE_FINDERS = True
