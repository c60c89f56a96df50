"""The forms of local accounts. Addresses are compared in lower case everywhere."""

from django import forms
from django.contrib.auth import forms as auth_forms
from django.contrib.auth.password_validation import validate_password

from credits.models import User


def password_field(label: str = "Password", *, new: bool) -> forms.CharField:
    """A password as it was typed, blanks included; browsers offer to fill it or to make one."""
    purpose = "new-password" if new else "current-password"
    widget = forms.PasswordInput(attrs={"autocomplete": purpose})
    return forms.CharField(
        label=label,
        strip=False,
        max_length=1024,
        widget=widget,
        help_text="At least 8 characters, not a common password." if new else "",
    )


class LowerCaseEmailField(forms.EmailField):
    def clean(self, value: object) -> str:
        return str(super().clean(value)).lower()


class SignInForm(auth_forms.AuthenticationForm):
    """Django's own, with an e-mail address in lower case: attempts are counted by this name, and
    `A@x` must not count beside `a@x`."""

    username = LowerCaseEmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = password_field(new=False)
    error_messages = {
        "invalid_login": "This e-mail address and password do not belong together.",
        "inactive": "This account is closed.",
    }


class SignUpForm(forms.Form):
    email = LowerCaseEmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    name = forms.CharField(
        label="Name (optional)",
        max_length=150,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = password_field(new=True)

    def clean(self) -> dict[str, object]:
        data = super().clean() or {}
        if {"email", "password"} <= data.keys():
            try:
                validate_password(data["password"], User(email=data["email"], name=data["name"]))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data
