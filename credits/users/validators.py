"""Password rules in addition to Django's own."""

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

from config.text import is_blank
from credits.models import User

#: Digits and signs before and behind a word.
PADDING = re.compile(r"^[\W\d_]+|[\W\d_]+$")


class KnownPasswordValidator(CommonPasswordValidator):
    """Refuses a well-known password, also between digits and signs (`Sunshine2026!`), and one of
    fewer than four different characters."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Raises ValidationError."""
        super().validate(password, user)
        super().validate(PADDING.sub("", password), user)
        if len(set(password.casefold())) < 4:
            raise ValidationError(self.get_error_message(), code="password_too_common")


class SiteWordsValidator:
    """Refuses a password of blanks, and one that is hardly more than this site's name or host:
    the rest of it must have `min_length` characters."""

    min_length = 8

    def validate(self, password: str, user: User | None = None) -> None:
        """Raises ValidationError."""
        if is_blank(password):
            raise ValidationError("A password needs characters that can be seen.", code="blank")
        rest = password.casefold()
        for word in site_words():
            rest = rest.replace(word, "")
        if rest != password.casefold() and len(rest.strip()) < self.min_length:
            message = "This password is hardly more than the name of this site."
            raise ValidationError(message, code="password_of_site")

    def get_help_text(self) -> str:
        return "Your password can’t be the name of this site."


def site_words() -> list[str]:
    """This site's name and host, and the labels of that, the longest first."""
    host = (urlsplit(settings.SITE_URL).hostname or "").casefold()
    labels = {label for label in host.split(".") if len(label) > 3}
    return sorted({"tally", host, *labels} - {""}, key=len, reverse=True)
