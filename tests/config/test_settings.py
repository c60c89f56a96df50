"""A wrong value in the environment stops the start with a sentence that names it."""

import os
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(settings.BASE_DIR)
MINIMAL = {"SECRET_KEY": "s" * 40, "ALLOWED_HOSTS": "tally.example"}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the settings module anew with just these variables."""

    def run(**environment: str) -> dict[str, Any]:
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(ROOT / "config/settings.py"))

    return run


def test_the_least_that_starts(load: Any) -> None:
    loaded = load(**MINIMAL)
    assert loaded["DEBUG"] is False
    assert loaded["ALLOWED_HOSTS"] == ["tally.example"]
    assert loaded["SESSION_COOKIE_SECURE"] is True, "a real host name is served over https"
    # Browsers refuse a cookie of this name that is not this very host's, over https.
    assert loaded["SESSION_COOKIE_NAME"] == "__Host-sessionid"
    assert loaded["CSRF_COOKIE_NAME"] == "__Host-csrftoken"
    assert loaded["CSRF_COOKIE_SECURE"] is True
    assert loaded["SECURE_HSTS_SECONDS"] > 0
    assert loaded["EMBEDDED_DATABASE"] is True
    assert loaded["LOCAL_PROVIDER"] is True


@pytest.mark.parametrize("missing", MINIMAL)
def test_secret_and_hosts_are_demanded_unless_debugging(load: Any, missing: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{missing} must be set"):
        load(**{**MINIMAL, missing: ""})
    assert load(DEBUG="1")["DEBUG"] is True


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "maybe"),
        ("SECRET_KEY", "short"),
        ("ALLOWED_HOSTS", "https://tally.example"),
        ("ALLOWED_HOSTS", "tally.example:8000"),
        ("CSRF_TRUSTED_ORIGINS", "tally.example"),
        ("HTTPS", "2"),
        ("HSTS_PRELOAD", "1"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "--5"),
        ("PORT", "８０００"),
        ("PORT", "1" * 5000),
        ("WEB_WORKERS", "none"),
        ("WEB_THREADS", "1"),
        ("LOG_LEVEL", "LOUD"),
        ("METRICS_TOKEN", "guess"),
        ("DATABASE_URL", "mysql://root@localhost/tally"),
        ("DATABASE_URL", "postgresql://localhost"),
        ("DATABASE_URL", "postgresql://localhost/tally?no_such_option=1"),
        ("DATABASE_POOL_SIZE", "1.5"),
        ("OPENAI_BASE_URL", "localhost:1234/v1"),
        ("OPENAI_BASE_URL", "http://localhost:port/v1"),
        ("OPENAI_BASE_URL", "http://[::1/v1"),
        ("AI_TEXT_MODELS", "one=One,one=Two"),
        ("AI_IMAGE_MODELS", "=Nameless"),
        ("HOLD_LEASE_SECONDS", "1"),
        ("SIGNUP_CREDITS", "-1"),
        ("EMAIL_URL", "mail.example"),
        ("EMAIL_URL", "smtp://mail.example:many"),
        ("CLERK_API_URL", "ftp://api.clerk.example"),
    ],
)
def test_a_wrong_value_is_named(load: Any, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        load(**{**MINIMAL, name: value})


def test_no_sentence_repeats_a_secret(load: Any) -> None:
    for name, value in [
        ("EMAIL_URL", "http://me:hunter2@mail.example"),
        ("OPENAI_BASE_URL", "gopher://me:hunter2@ai.example"),
        ("DATABASE_URL", "mysql://me:hunter2@localhost/tally"),
    ]:
        with pytest.raises(ImproperlyConfigured) as refusal:
            load(**{**MINIMAL, name: value})
        assert "hunter2" not in str(refusal.value)


def test_other_hosts_and_lists_of_browsers_are_the_operators_choice(load: Any) -> None:
    names = ("SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")
    loaded = load(**MINIMAL)
    assert [loaded[name] for name in names] == [False, False]
    loaded = load(**MINIMAL, HSTS_SUBDOMAINS="1", HSTS_PRELOAD="1")
    assert [loaded[name] for name in names] == [True, True]


def test_over_http_cookies_keep_their_plain_names(load: Any) -> None:
    loaded = load(DEBUG="1")
    assert loaded["SESSION_COOKIE_NAME"] == "sessionid"
    assert loaded["CSRF_COOKIE_NAME"] == "csrftoken"


def test_without_a_mail_server_no_letter_is_written_anywhere(load: Any) -> None:
    """A terminal's log is read by others than the owner of a link."""
    assert load(**MINIMAL)["MAILERS"]["default"]["BACKEND"].endswith("dummy.EmailBackend")


def test_answers_and_images_end_before_a_short_lease(load: Any) -> None:
    loaded = load(**MINIMAL, HOLD_LEASE_SECONDS="10")
    assert loaded["ANSWER_SECONDS"] == loaded["IMAGE_SECONDS"] == 9
    for name in ("ANSWER_SECONDS", "IMAGE_SECONDS"):
        with pytest.raises(ImproperlyConfigured, match=f"must be more than {name}"):
            load(**MINIMAL, HOLD_LEASE_SECONDS="10", **{name: "10"})


@pytest.mark.parametrize("given", ["", "https://api.clerk.com", "https://api.clerk.com/v1/"])
def test_clerk_s_address_is_taken_with_its_version_or_without(load: Any, given: str) -> None:
    assert load(**MINIMAL, CLERK_API_URL=given)["CLERK_API_URL"] == "https://api.clerk.com/v1"


def test_the_example_names_all_that_is_read() -> None:
    """.env.example has every name, with a line of meaning before it."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in lines if re.match(r"[A-Z]", line)}
    code = "".join(
        (ROOT / "config" / name).read_text() for name in ("settings.py", "standalone/run.py")
    )
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', code))
    read |= set(re.findall(r'environ\.get\("(\w+)"', code))
    assert read == named
