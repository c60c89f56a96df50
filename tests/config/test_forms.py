"""Fields take all that is pasted, and run in the direction of their words."""

from pathlib import Path

from django import forms

from tests.processes import ROOT


class Form(forms.Form):
    name = forms.CharField(max_length=5)
    text = forms.CharField(max_length=5, widget=forms.Textarea)
    email = forms.EmailField(max_length=5)
    search = forms.CharField(widget=forms.TextInput(attrs={"type": "search"}))


def test_no_field_cuts_what_is_pasted() -> None:
    drawn = str(Form())
    assert "maxlength" not in drawn
    assert "at most 5 characters" in str(Form({"name": "abcdef"}).errors)
    templates = Path(ROOT, "templates").rglob("*.html")
    assert not [path for path in templates if "maxlength" in path.read_text()]


def test_words_run_in_their_own_direction() -> None:
    form = Form()
    assert all('dir="auto"' in str(form[name]) for name in ("name", "text", "search"))
    assert "dir=" not in str(form["email"])
