"""The forms of local accounts. Addresses are compared in lower case everywhere."""

from typing import Any, cast

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth import forms as auth_forms
from django.contrib.auth.hashers import check_password
from django.http import HttpRequest

from config.text import is_blank
from credits.models import SignUp, User
from credits.users.limits import Guess
from credits.users.second_factor import check_code


class EmailField(forms.EmailField):
    """An address, in lower case."""

    def __init__(self, *, autocomplete: str = "email") -> None:
        widget = forms.EmailInput(attrs={"autocomplete": autocomplete})
        super().__init__(label="E-mail", max_length=254, widget=widget)

    def clean(self, value: object) -> str:
        return str(super().clean(value)).lower()


class NameField(forms.CharField):
    """The name that an account may have; one that nobody can see is none."""

    def __init__(self) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "name"})
        super().__init__(label="Name (optional)", max_length=150, required=False, widget=widget)

    def to_python(self, value: object) -> str:
        name = str(super().to_python(value))
        return "" if is_blank(name) else name


def password_field(label: str = "Password", *, new: bool = False, **options: Any) -> Any:
    """A password as it was typed, blanks included. A `new` one is offered by the browser's
    manager."""
    if new:
        options["help_text"] = "At least 8 characters, and none of the common ones."
    purpose = "new-password" if new else "current-password"
    widget = forms.PasswordInput(attrs={"autocomplete": purpose})
    return forms.CharField(label=label, strip=False, max_length=1024, widget=widget, **options)


class CodeField(forms.CharField):
    """A code of the authenticator app, or a recovery code."""

    def __init__(self) -> None:
        attrs = {"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false"}
        super().__init__(label="Code", max_length=40, widget=forms.TextInput(attrs=attrs))


class SignInForm(auth_forms.AuthenticationForm):
    """Django's own, with the address in lower case: wrong passwords are counted by this name, and
    `A@x` must not count beside `a@x`."""

    username = EmailField(autocomplete="username")
    password = password_field()
    error_messages = {
        "invalid_login": "This address and this password do not belong together.",
        "inactive": "This account is closed.",
    }


class SignUpForm(auth_forms.SetPasswordMixin[User], forms.Form):
    email = EmailField()
    name = NameField()
    password = password_field(new=True)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        user = User(email=data.get("email", ""), name=data.get("name", ""))
        self.validate_password_for_user(user, "password")
        return data


class ConfirmSignUpForm(forms.Form):
    """What the link of a sign-up asks for in another browser than the one that signed up: its
    password, which a stranger who gave this address does not share with its owner."""

    password = password_field("The password that you chose")

    def __init__(self, request: HttpRequest, pending: SignUp, *args: Any) -> None:
        self.request, self.pending = request, pending
        super().__init__(*args)

    def clean(self) -> dict[str, Any]:
        given, hashed = self.cleaned_data.get("password", ""), self.pending.password
        guess = Guess(self.pending.email, self.request)
        if given and not guess.judge(lambda: check_password(given, hashed) or None):
            self.add_error("password", "This is not the password of that sign-up.")
        return self.cleaned_data


class RequestForm(forms.Form):
    """A form that knows the request that it came with, and its user."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        self.user = cast(User, request.user)
        super().__init__(*args, **kwargs)


class ConfirmForm(RequestForm):
    """The user's password, and a code where the account has a second factor."""

    password = password_field()
    code = CodeField()

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        if not self.user.second_factor_at:
            del self.fields["code"]

    def clean(self) -> dict[str, Any]:
        confirm_password(self, "password", self.request)
        if not self.errors:  # A code is good once: it is not used up for a wrong password.
            confirm_code(self, user=self.user, request=self.request)
        return self.cleaned_data


class ProfileForm(RequestForm):
    """Name and address. A new address needs the password: whoever holds it can reset that."""

    name = NameField()
    email = EmailField()
    password = password_field("Password (only for a new address)", required=False)

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("email", self.user.email) != self.user.email:
            confirm_password(self, "password", self.request)
        return self.cleaned_data


class PasswordResetForm(forms.Form):
    email = EmailField()


class NewPasswordForm(auth_forms.SetPasswordMixin[User], forms.Form):
    """One field, which can be shown, in place of two that are typed without seeing them."""

    new_password = password_field("New password", new=True)

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        self.validate_password_for_user(self.user, "new_password")
        return self.cleaned_data

    def save(self) -> User:
        self.user.set_password(self.cleaned_data["new_password"])
        self.user.save(update_fields=["password"])
        return self.user


class PasswordChangeForm(NewPasswordForm):
    old_password = password_field("Current password")
    field_order = ["old_password", "new_password"]

    def __init__(self, user: User, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(user, *args, **kwargs)

    def clean(self) -> dict[str, Any]:
        confirm_password(self, "old_password", self.request)
        return super().clean()


def confirm_password(form: forms.Form, field: str, request: HttpRequest) -> None:
    """Checks the current password as signing in does: wrong ones are counted, so an open session
    cannot be used to guess it."""
    user, password = cast(User, request.user), form.cleaned_data.get(field)
    if not password:
        form.add_error(field, "Your current password is needed for this.")
    elif authenticate(request, username=user.email, password=password) != user:
        form.add_error(field, "This is not your current password.")


def confirm_code(form: forms.Form, *, user: User, request: HttpRequest) -> None:
    """Checks the code of a form as signing in does; nothing to do without one. Raises
    TooManyCodes."""
    code = form.cleaned_data.get("code")
    if code and not check_code(user=user, code=code, request=request):
        form.add_error("code", "This code is not right, or was used before.")
