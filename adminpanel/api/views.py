"""Prices, plans, models and providers in JSON, for admins."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from adminpanel.api.serializers import (
    AdminSettingsOut,
    ApprovalOut,
    CatalogueIn,
    CatalogueOut,
    ChangeRow,
    CostsIn,
    EnumHealthOut,
    PlanChange,
    PlanIn,
    PlanOut,
    PlansOut,
    VersionQuery,
)
from config.errors import HttpError
from credits.api.answers import page_of
from credits.api.base import ApiView, body_of, query_of, user_of
from credits.api.fields import PageQuery
from credits.api.schema import errors
from credits.catalogue.history import model_state, provider_state, version_of
from credits.catalogue.model_changes import Catalogue, change_catalogue, read_catalogue
from credits.catalogue.plans import create_plan, delete_plan, update_plan
from credits.catalogue.prices import set_feature_costs
from credits.catalogue.token_prices import price_state, pricing_of
from credits.integrity.features import check_features
from credits.models import Plan, SettingsChange
from credits.pricing import get_feature_costs, get_plans_credits
from credits.users.permissions import IsTallyAdmin

CLERK_ID = OpenApiParameter(
    "clerk_id", {"type": "string", "minLength": 1}, OpenApiParameter.PATH,
    description="The plan's id, as `cplan_…`.",
)  # fmt: skip


#: What each call says that moves credits.
ABOVE = (
    "What an admin moves alone in 24 hours is summed: above ADJUSTMENT_APPROVAL_CREDITS nothing is "
    "done but asked for (202), and nothing moves until a second admin approves it, at "
    "/admin/users/approvals."
)
WAITS = {202: OpenApiResponse(ApprovalOut, description="It waits for a second admin.")}
#: Describes a call of admins.
described = partial(extend_schema, tags=["admin"])


def described_list(
    operation_id: str,
    summary: str,
    query: type[PageQuery],
    row: Callable[..., serializers.BaseSerializer[Any]],
    *,
    page: str,
    meaning: str,
) -> Callable[[Any], Any]:
    """Describes a call whose answer is a page of rows: `page` is the name of its shape, `meaning`
    says what it is."""
    cursor = serializers.IntegerField(allow_null=True, help_text="Null on the last page.")
    members = {"__doc__": meaning, "items": row(many=True), "nextCursor": cursor}
    return described(
        operation_id=operation_id,
        summary=summary,
        parameters=[query],
        responses={200: type(page, (serializers.Serializer,), members), **errors(400)},
    )


class AdminView(ApiView):
    permission_classes = (IsTallyAdmin,)


class Settings(AdminView):
    @described(
        operation_id="getAdminSettings",
        summary="Prices and plans, with all there is",
        responses=AdminSettingsOut,
    )
    def get(self, request: Request) -> Response:
        return Response(_settings())

    @described(
        operation_id="setFeatureCosts",
        summary="Change prices",
        description="They hold for the next charge, in every process. A turn in flight keeps its "
        "price.",
        request=CostsIn,
        responses={200: AdminSettingsOut, **errors(409)},
    )
    def put(self, request: Request) -> Response:
        body = body_of(request, CostsIn)
        set_feature_costs(
            actor=user_of(request),
            costs=body["featureCosts"],
            expected_version=body.get("version"),
        )
        return Response(_settings())


def _settings() -> dict[str, Any]:
    costs = get_feature_costs()
    values = {
        "featureCosts": costs,
        "planCredits": get_plans_credits(),
        "billingPlans": Plan.objects.all(),
        "version": version_of(costs),
    }
    return dict(AdminSettingsOut(values).data)


class Plans(AdminView):
    @described(operation_id="listPlans", summary="Plans", responses=PlansOut)
    def get(self, request: Request) -> Response:
        return Response(PlansOut({"plans": Plan.objects.all()}).data)

    @described(
        operation_id="createPlan",
        summary="Add a plan",
        description=f"It may move the credits of a month. {ABOVE}",
        request=PlanIn,
        responses={201: PlanOut, **WAITS, **errors(403, 409)},
    )
    def post(self, request: Request) -> Response:
        plan = create_plan(actor=user_of(request), **body_of(request, PlanIn))
        return Response(PlanOut(plan).data, status=201)


class OnePlan(AdminView):
    @described(
        operation_id="updatePlan",
        summary="Change a plan",
        description="Changes what the body names; `newClerkId` renames. It may move what its "
        f"subscribers get more in a month. {ABOVE}",
        parameters=[CLERK_ID],
        request=PlanChange,
        responses={200: PlanOut, **WAITS, **errors(403, 404, 409)},
    )
    def put(self, request: Request, clerk_id: str) -> Response:
        changes = body_of(request, PlanChange)
        if changes.pop("clerkId", clerk_id) != clerk_id:
            message = "The body names another plan; rename by newClerkId."
            raise HttpError(409, "another_plan", message)
        version = changes.pop("version", None)
        plan = update_plan(
            actor=user_of(request), clerk_id=clerk_id, changes=changes, expected_version=version
        )
        return Response(PlanOut(plan).data)

    @described(
        operation_id="deletePlan",
        summary="Remove a plan",
        description="Credits it has granted stay.",
        parameters=[CLERK_ID, VersionQuery],
        responses={204: None, **errors(400, 404, 409)},
    )
    def delete(self, request: Request, clerk_id: str) -> Response:
        version = query_of(request, VersionQuery).get("version")
        delete_plan(actor=user_of(request), clerk_id=clerk_id, expected_version=version)
        return Response(status=204)


class Models(AdminView):
    @described(
        operation_id="getCatalogue",
        summary="Models, their prices and providers",
        responses=CatalogueOut,
    )
    def get(self, request: Request) -> Response:
        return Response(_catalogue())

    @described(
        operation_id="changeCatalogue",
        summary="Add and change models and providers",
        description="All of the body, or nothing. A job in flight keeps its model and price.",
        request=CatalogueIn,
        responses={200: CatalogueOut, **errors(409)},
    )
    def put(self, request: Request) -> Response:
        body = body_of(request, CatalogueIn)
        version = body.pop("version", None)
        prices = body.pop("tokenPrices", ())
        change_catalogue(
            actor=user_of(request), expected_version=version, token_prices=prices, **body
        )
        return Response(_catalogue())


def _catalogue() -> dict[str, Any]:
    catalogue = read_catalogue()
    values = {
        "models": [
            {**model_state(row), "cost": row.cost, "pricing": pricing_of(row)}
            for row in catalogue.models
        ],
        "tokenPrices": list(_token_prices(catalogue)),
        "providers": [
            {**provider_state(row), "keyIsSet": row.key_is_set} for row in catalogue.providers
        ],
        "version": catalogue.version,
    }
    return dict(CatalogueOut(values).data)


def _token_prices(catalogue: Catalogue) -> Iterator[dict[str, Any]]:
    for model in catalogue.models:
        prices = catalogue.prices[model.pk]
        for row in filter(None, [prices.in_force, *prices.announced]):
            yield {
                "model": model.name,
                "validFrom": row.valid_from,
                "version": row.pk,
                "price": price_state(row),
            }


class Changes(AdminView):
    @described_list(
        "listSettingsChanges", "Who changed prices, plans, models and providers", PageQuery,
        ChangeRow, page="SettingsChanges", meaning="A page of changes.",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return page_of(SettingsChange.objects.all(), query_of(request, PageQuery), ChangeRow)


class EnumHealth(AdminView):
    @described(
        operation_id="checkFeatures",
        summary="Does the database know every feature?",
        description="Asks the database's own constraints about a charge of each feature.",
        responses=EnumHealthOut,
    )
    def get(self, request: Request) -> Response:
        mappings = check_features()
        ok = all(mapping.in_python and mapping.in_database for mapping in mappings)
        return Response(EnumHealthOut({"ok": ok, "mappings": mappings}).data)
