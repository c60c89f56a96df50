"""Models and their providers: added, changed, retired, and picked from what a provider offers."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from adminpanel.settings.editing import Editing
from adminpanel.settings.forms import ModelForm, PickForm, ProviderForm
from ai_chat.providers.listing import NoList, models_of
from config.errors import DomainError, InvalidInput
from credits.catalogue.fields import MODEL_LABEL
from credits.catalogue.history import Subject, model_state, provider_state
from credits.catalogue.model_changes import (
    change_catalogue,
    change_model,
    change_provider,
    create_model,
    create_provider,
    read_catalogue,
    remove_provider,
)
from credits.catalogue.models import free_id
from credits.http import AuthenticatedHttpRequest
from credits.models import AIModel, Provider, User
from credits.users.permissions import admin_action, admin_form


class ModelEditing(Editing[AIModel, ModelForm]):
    template = "adminpanel/model.html"
    subject = Subject.MODEL
    name_field = "id"

    def find(self) -> AIModel | None:
        rows = [row for row in read_catalogue().models if row.pk == self.key]
        return rows[0] if rows else None

    def name(self) -> str:
        return self.row.name if self.row else ""

    def state(self, row: AIModel) -> dict[str, Any]:
        return model_state(row)

    def form(self, data: Any = None) -> ModelForm:
        return ModelForm(data, model=self.row)

    def shown(self, row: AIModel) -> ModelForm:
        return ModelForm.of(model_state(row), model=row)

    def create(self, actor: User, form: ModelForm) -> AIModel:
        return create_model(actor=actor, values=form.by_key(form.values))

    def done(self, saved: AIModel) -> str:
        if self.key or not saved.is_embedding:
            return ""
        return " Nobody can use it until it has a price by tokens."

    def change(self, actor: User, form: ModelForm, expected_version: str) -> AIModel:
        changes = form.by_key(form.changes)
        return change_model(
            actor=actor, name=self.name(), changes=changes, expected_version=expected_version
        )


class ProviderEditing(Editing[Provider, ProviderForm]):
    template = "adminpanel/provider.html"
    subject = Subject.PROVIDER
    name_field = "name"

    def find(self) -> Provider | None:
        return Provider.objects.filter(pk=self.key).first()

    def name(self) -> str:
        return self.row.name if self.row else ""

    def state(self, row: Provider) -> dict[str, Any]:
        return provider_state(row)

    def form(self, data: Any = None) -> ProviderForm:
        return ProviderForm(data, new=not self.key)

    def shown(self, row: Provider) -> ProviderForm:
        return ProviderForm.of(provider_state(row), new=False)

    def create(self, actor: User, form: ProviderForm) -> Provider:
        return create_provider(actor=actor, values=form.by_key(form.values))

    def change(self, actor: User, form: ProviderForm, expected_version: str) -> Provider:
        changes = form.by_key(form.changes)
        return change_provider(
            actor=actor, name=self.name(), changes=changes, expected_version=expected_version
        )

    def context(self, form: ProviderForm) -> dict[str, Any]:
        return {"models": list(self.row.models.all()) if self.row else []}


@admin_form
def edit_model(request: AuthenticatedHttpRequest, model_id: int = 0) -> HttpResponse:
    """A model, or a new one."""
    return ModelEditing(request, model_id).respond()


@admin_form
def edit_provider(request: AuthenticatedHttpRequest, provider_id: int = 0) -> HttpResponse:
    """A provider, or a new one."""
    return ProviderEditing(request, provider_id).respond()


@admin_action
def delete_provider(request: AuthenticatedHttpRequest, provider_id: int) -> HttpResponse:
    """Removes a provider without models; the history can bring it back."""
    provider = get_object_or_404(Provider, pk=provider_id)
    try:
        remove_provider(actor=request.user, name=provider.name)
        messages.success(request, f"{provider} is removed.")
    except DomainError as error:
        messages.error(request, f"Nothing is removed. {error}")
    return redirect("admin-settings")


@admin_form
def pick_models(request: AuthenticatedHttpRequest, provider_id: int) -> HttpResponse:
    """What a provider offers, asked now; those that are picked become models."""
    provider = Provider.objects.filter(pk=provider_id).first()
    if provider is None:
        raise Http404
    if request.method != "POST":
        return _offered(request, provider, PickForm(initial={"active": True}))
    form = PickForm(request.POST)
    if not form.is_valid():
        return _offered(request, provider, form, status=422)
    picked = _new_models(provider, request.POST.getlist("model"), form)
    try:
        change_catalogue(actor=request.user, models=picked)
    except InvalidInput as error:
        form.add_error(None, str(error))
        return _offered(request, provider, form, status=422)
    many = "1 model is" if len(picked) == 1 else f"{len(picked)} models are"
    messages.success(request, f"{many} added." if picked else "No model was picked.")
    return redirect("admin-settings")


def _offered(
    request: HttpRequest, provider: Provider, form: PickForm, *, status: int = 200
) -> HttpResponse:
    """The provider's list beside the catalogue, or why it could not be read."""
    known = {row.provider_model: row for row in provider.models.all()}
    context: dict[str, Any] = {"provider": provider, "form": form}
    try:
        context["offered"] = [(name, known.get(name)) for name in models_of(provider)]
    except NoList as error:
        context["problem"] = str(error)
        status = 502
    return render(request, "adminpanel/provider_models.html", context, status=status)


def _new_models(provider: Provider, picked: list[str], form: PickForm) -> list[dict[str, Any]]:
    """A model for each that was picked, under its own id where that is free. What is here already
    stays as it is."""
    here = {row.provider_model for row in provider.models.all()}
    taken = set(AIModel.objects.values_list("name", flat=True))
    return [
        {
            "id": free_id(name, provider=provider.name, taken=taken),
            "label": name[: MODEL_LABEL.longest],
            "feature": form.cleaned_data["feature"],
            "provider": provider.name,
            "providerModel": name,
            "active": form.cleaned_data["active"],
        }
        for name in dict.fromkeys(picked)
        if name not in here
    ]
