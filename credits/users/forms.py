"""The forms of local accounts. Addresses are compared in lower case everywhere."""

from typing import Any, cast

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth import forms as auth_forms
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest

from credits.models import User


class EmailField(forms.EmailField):
    """An address, in lower case."""

    def __init__(self, *, autocomplete: str = "email") -> None:
        widget = forms.EmailInput(attrs={"autocomplete": autocomplete})
        super().__init__(label="E-mail", max_length=254, widget=widget)

    def clean(self, value: object) -> str:
        return str(super().clean(value)).lower()


class NameField(forms.CharField):
    def __init__(self) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "name"})
        super().__init__(label="Name (optional)", max_length=150, required=False, widget=widget)


class PasswordField(forms.CharField):
    """A password as it was typed, blanks included. A `new` one is offered by the browser's manager,
    and is checked by `check_new_password`."""

    def __init__(
        self, label: str = "Password", *, new: bool = False, required: bool = True
    ) -> None:
        purpose = "new-password" if new else "current-password"
        help_text = "At least 8 characters, and none of the common ones." if new else ""
        super().__init__(
            label=label,
            strip=False,
            required=required,
            max_length=1024,
            widget=forms.PasswordInput(attrs={"autocomplete": purpose}),
            help_text=help_text,
        )


def check_new_password(form: forms.Form, field: str, user: User) -> None:
    """Puts what the validators find beside the field."""
    if field in form.cleaned_data:
        try:
            validate_password(form.cleaned_data[field], user)
        except forms.ValidationError as error:
            form.add_error(field, error)


class SignInForm(auth_forms.AuthenticationForm):
    """Django's own, with the address in lower case: wrong passwords are counted by this name, and
    `A@x` must not count beside `a@x`."""

    username = EmailField(autocomplete="username")
    password = PasswordField()
    error_messages = {
        "invalid_login": "This address and this password do not belong together.",
        "inactive": "This account is closed.",
    }


class SignUpForm(forms.Form):
    email = EmailField()
    name = NameField()
    password = PasswordField(new=True)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        check_new_password(
            self, "password", User(email=data.get("email", ""), name=data.get("name", ""))
        )
        return data


class ProfileForm(forms.Form):
    """Name and address. A new address needs the password: whoever holds it can reset that."""

    name = NameField()
    email = EmailField()
    password = PasswordField("Password (only for a new address)", required=False)

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        self.user = cast(User, request.user)
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("email", self.user.email) != self.user.email:
            confirm_password(self, "password", self.request, self.user)
        return data


class PasswordResetForm(auth_forms.PasswordResetForm):
    email = EmailField()


class NewPasswordForm(forms.Form):
    """One field, which can be shown, in place of two that are typed blindly."""

    new_password = PasswordField("New password", new=True)

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        check_new_password(self, "new_password", self.user)
        return self.cleaned_data

    def save(self) -> User:
        self.user.set_password(self.cleaned_data["new_password"])
        self.user.save(update_fields=["password"])
        return self.user


class PasswordChangeForm(NewPasswordForm):
    old_password = PasswordField("Current password")
    field_order = ["old_password", "new_password"]

    def __init__(self, user: User, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(user, *args, **kwargs)

    def clean(self) -> dict[str, Any]:
        confirm_password(self, "old_password", self.request, self.user)
        return super().clean()


def confirm_password(form: forms.Form, field: str, request: HttpRequest, user: User) -> None:
    """Checks the current password as signing in does: wrong ones are counted, so an open session
    cannot be used to guess it."""
    given = form.cleaned_data.get(field)
    if not given:
        form.add_error(field, "Your current password is needed for this.")
    elif authenticate(request, username=user.email, password=given) != user:
        form.add_error(field, "This is not your current password.")
