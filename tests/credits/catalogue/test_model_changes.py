"""Models and providers: added, changed, retired, and what is refused."""

from typing import Any

import pytest

from config.errors import InvalidInput
from credits.catalogue.exceptions import (
    CannotUndo,
    ChangedMeanwhile,
    InUse,
    NameTaken,
    NotInCatalogue,
)
from credits.catalogue.history import model_state, version_of
from credits.catalogue.model_changes import (
    change_catalogue,
    change_model,
    change_provider,
    create_model,
    create_provider,
    read_catalogue,
    remove_provider,
)
from credits.catalogue.models import find_model
from credits.catalogue.plans import delete_plan
from credits.catalogue.undo import undo_change
from credits.models import AIModel, AuditEntry, Provider, SettingsChange, User
from credits.models.catalogue import model_label
from tests.factories import make_model, make_plan

pytestmark = pytest.mark.django_db

NEW = {"id": "large", "feature": "ai_text_chat"}
TEXT = "ai_text_chat"


def refusal(**changes: Any) -> list[tuple[list[Any], str]]:
    """The path and the sentence of each issue when a model `large` is changed so."""
    with pytest.raises(InvalidInput) as refused:
        change_model(actor=None, name="large", changes=changes)
    return [(one["path"], one["message"]) for one in refused.value.issues]


class TestModels:
    def test_a_model_is_added_with_defaults_and_recorded(self, admin: User) -> None:
        create_model(actor=admin, values={**NEW, "priceFactor": 3, "reads": ["text", "image"]})
        model = AIModel.objects.get(name="large")
        assert (model.label, model.provider_model, model.provider.name) == (
            "large", "large", "default",
        )  # fmt: skip
        assert (model.price_factor, model.reads_images, model.reads_files) == (3, True, False)
        assert model.active
        change = SettingsChange.objects.get()
        assert (change.actor, change.subject, change.name) == (admin, "model", "large")
        assert (change.before, change.after) == (None, model_state(model))
        assert AuditEntry.objects.get().action == "model.add"

    def test_the_first_start_fills_the_catalogue_before_a_model_is_added(self) -> None:
        create_model(actor=None, values=NEW)
        assert AIModel.objects.filter(name="smollm2-135m", active=True).exists()
        assert AIModel.objects.get(name="large").position == 1

    def test_a_change_leaves_what_it_does_not_name(self, admin: User) -> None:
        make_model("large", price_factor=3, reads_images=True)
        change_model(actor=admin, name="large", changes={"label": "Large one"})
        model = AIModel.objects.get(name="large")
        assert (model.label, model.price_factor, model.reads_images) == ("Large one", 3, True)
        change = SettingsChange.objects.get()
        assert (change.before["label"], change.after["label"]) == ("large", "Large one")

    def test_a_change_that_changes_nothing_is_not_recorded(self) -> None:
        make_model("large")
        change_model(actor=None, name="large", changes={"label": "large", "active": True})
        assert not SettingsChange.objects.exists()

    def test_a_new_label_is_shown_at_once(self) -> None:
        make_model("large")
        assert model_label("large") == "large"
        change_model(actor=None, name="large", changes={"label": "Large one"})
        assert model_label("large") == "Large one"

    def test_the_same_name_twice_and_an_unknown_one(self) -> None:
        make_model("large")
        with pytest.raises(NameTaken):
            create_model(actor=None, values=NEW)
        for name in ("other", "a\x00b", ""):
            with pytest.raises(NotInCatalogue):
                change_model(actor=None, name=name, changes={})

    def test_what_was_read_before_another_change_is_not_written(self) -> None:
        model = make_model("large")
        read = version_of(model_state(model))
        change_model(actor=None, name="large", changes={"priceFactor": 2}, expected_version=read)
        with pytest.raises(ChangedMeanwhile):
            change_model(
                actor=None, name="large", changes={"priceFactor": 3}, expected_version=read
            )

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("label", ["", " ", "a\nb", "x" * 151, 5, None]),
            ("providerModel", ["", "x" * 201, "a\x00"]),
            ("priceFactor", [0, 1000, 1.5, "2", True, None]),
            ("contextTokens", [0, -1, 10**8, "5", True]),
            ("reasoningTokens", [-1, None, 10**7]),
            ("hidesReasoning", [1, "yes", None]),
            ("bytesPerHundredTokens", [0, 24, 1001, 1.5, "100", None]),
            ("imageTokens", [-1, 10**7, True, None]),
            ("tokensPerPage", [-1, 10**7, "1", None]),
            ("outputLeast", [0, -1, 10**8, "5", True]),
            ("imagesPerCall", [0, 5]),
            ("sizes", ["1024x1024", ["1024"], ["1024x1024"] * 2, [5], [None], ["٥٠x٥٠"]]),
            ("reads", [[], ["image"], ["text", "sound"], ["text", "text"], "text", [["text"]]]),
            ("tools", [1, "yes", None]),
            ("position", [-1, 10_000]),
            ("leastPlan", ["pro", "cplan_none", ""]),
            ("fallback", ["none", "large", "", "painter", "retired"]),
            ("provider", ["none", "", None]),
            ("feature", ["ai_image_generation", "x", None]),
        ],
    )
    def test_what_a_field_does_not_take(self, field: str, values: list[Any]) -> None:
        make_model("large")
        make_model("painter", feature="ai_image_generation")
        make_model("retired", active=False)
        for value in values:
            assert [path for path, _ in refusal(**{field: value})] == [["models", 0, field]], value
        assert not SettingsChange.objects.exists()

    @pytest.mark.parametrize("name", ["", "a b", "a\n", "x" * 121, "é", "a\x00", "a'b"])
    def test_names_that_are_none(self, name: str) -> None:
        with pytest.raises(InvalidInput):
            create_model(actor=None, values={**NEW, "id": name})

    def test_a_model_that_takes_over_is_not_retired(self) -> None:
        make_model("small")
        make_model("large")
        change_model(actor=None, name="large", changes={"fallback": "small"})
        with pytest.raises(InvalidInput, match="takes over when large is down"):
            change_model(actor=None, name="small", changes={"active": False})
        change_catalogue(
            actor=None,
            models=[{"id": "small", "active": False}, {"id": "large", "fallback": None}],
        )
        assert not AIModel.objects.get(name="small").active

    def test_a_plan_that_a_model_needs_is_not_removed(self) -> None:
        plan = make_plan("cplan_pro")
        make_model("large", least_plan=plan)
        with pytest.raises(InUse, match="large"):
            delete_plan(actor=None, clerk_id="cplan_pro")


class TestManyAtOnce:
    def test_new_ones_may_name_each_other(self) -> None:
        names = ["c", "a", "b"]
        fallbacks = {"c": "a", "a": "b", "b": "c"}
        change_catalogue(
            actor=None,
            providers=[{"name": "other", "baseUrl": "https://ai.example/v1"}],
            models=[
                {"id": name, "feature": TEXT, "provider": "other", "fallback": fallbacks[name]}
                for name in names
            ],
        )
        rows = AIModel.objects.filter(provider__name="other")
        assert {row.name: row.fallback and row.fallback.name for row in rows} == fallbacks
        assert SettingsChange.objects.count() == 4

    def test_all_or_none_and_every_issue_with_its_path(self) -> None:
        make_model("large")
        version = read_catalogue().version
        with pytest.raises(InvalidInput) as refused:
            change_catalogue(
                actor=None,
                providers=[{"name": "other"}],
                models=[
                    {"id": "large", "label": "Changed"},
                    {"id": "new"},
                    {"id": "newer", "feature": TEXT, "provider": "none", "fallback": "nobody"},
                ],
            )
        assert [one["path"] for one in refused.value.issues] == [
            ["models", 1, "feature"],
            ["models", 2, "provider"],
            ["models", 2, "fallback"],
        ]
        assert read_catalogue().version == version
        assert not SettingsChange.objects.exists()

    def test_a_model_that_is_there_twice(self) -> None:
        with pytest.raises(InvalidInput, match="there twice"):
            change_catalogue(actor=None, models=[NEW, NEW])

    def test_the_version_is_of_all_models_and_providers(self) -> None:
        make_model("large")
        read = read_catalogue().version
        create_provider(actor=None, values={"name": "other"})
        with pytest.raises(ChangedMeanwhile):
            change_catalogue(actor=None, models=[NEW], expected_version=read)


class TestProviders:
    @pytest.mark.parametrize(
        "address",
        ["ftp://a.example", "//a.example", "http://", "http://u:p@a.example/v1", "http://a.b/?k=1",
         "http://a.b/#x", "http://a b", "http://[::1", "http://a.b:x", "javascript:alert(1)",
         "http://a\n.b", "http://a.b\\@c.d", f"http://{'a' * 500}", None, 5],
    )  # fmt: skip
    def test_addresses_that_are_none(self, address: object) -> None:
        with pytest.raises(InvalidInput, match="http or https address"):
            create_provider(actor=None, values={"name": "other", "baseUrl": address})

    @pytest.mark.parametrize(
        "name",
        ["SECRET_KEY", "DATABASE_URL", "openai_API_KEY", "_API_KEY", "A_API_KEY ", "1_API_KEY"],
    )
    def test_no_other_secret_can_be_named(self, name: str) -> None:
        with pytest.raises(InvalidInput, match="_API_KEY"):
            create_provider(actor=None, values={"name": "other", "keyVariable": name})

    def test_one_is_removed_once_no_model_names_it(self) -> None:
        provider = create_provider(actor=None, values={"name": "other", "keyVariable": "A_API_KEY"})
        model = make_model("large", provider=provider)
        with pytest.raises(InUse, match="1 model names"):
            remove_provider(actor=None, name="other")
        change_model(actor=None, name=model.name, changes={"provider": "default"})
        remove_provider(actor=None, name="other")
        assert not Provider.objects.filter(name="other").exists()


class TestUndo:
    def last(self) -> int:
        return SettingsChange.objects.latest("pk").pk

    def test_a_changed_model_is_as_it_was(self, admin: User) -> None:
        model = make_model("large", price_factor=2, reads_files=True)
        before = model_state(model)
        change_model(actor=None, name="large", changes={"priceFactor": 9, "reads": ["text"]})
        undo_change(actor=admin, change_id=self.last())
        again = find_model("large")
        assert again and model_state(again) == before

    def test_a_change_on_top_keeps_it(self) -> None:
        make_model("large")
        change_model(actor=None, name="large", changes={"priceFactor": 9})
        first = self.last()
        change_model(actor=None, name="large", changes={"priceFactor": 8})
        with pytest.raises(CannotUndo):
            undo_change(actor=None, change_id=first)

    def test_a_model_that_was_added_is_retired(self) -> None:
        create_model(actor=None, values=NEW)
        undo_change(actor=None, change_id=self.last())
        assert not AIModel.objects.get(name="large").active
        undo_change(actor=None, change_id=self.last())
        assert AIModel.objects.get(name="large").active

    def test_what_the_former_state_needs_must_be_there(self) -> None:
        other = make_model("small")
        make_model("large", fallback=other)
        change_model(actor=None, name="large", changes={"fallback": None})
        undone = self.last()
        change_model(actor=None, name="small", changes={"active": False})
        with pytest.raises(CannotUndo, match="active model"):
            undo_change(actor=None, change_id=undone)

    def test_providers_come_back_change_back_and_go(self) -> None:
        create_provider(actor=None, values={"name": "other", "baseUrl": "http://a.example/v1"})
        added = self.last()
        change_provider(actor=None, name="other", changes={"baseUrl": "http://b.example/v1"})
        undo_change(actor=None, change_id=self.last())
        assert Provider.objects.get(name="other").base_url == "http://a.example/v1"
        undo_change(actor=None, change_id=added)
        assert not Provider.objects.filter(name="other").exists()
        undo_change(actor=None, change_id=self.last())
        assert Provider.objects.get(name="other").base_url == "http://a.example/v1"
        make_model("large", provider=Provider.objects.get(name="other"))
        with pytest.raises(CannotUndo, match="1 model names"):
            undo_change(actor=None, change_id=added)
