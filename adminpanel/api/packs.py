"""Packs and redeem codes in JSON, for admins."""

from typing import Any
from uuid import uuid4

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from adminpanel.api.serializers import VersionQuery, fields_of
from adminpanel.api.users import USER_ID, Reason, pk_of
from adminpanel.api.views import ABOVE, WAITS, AdminView, described, described_list
from credits.api.answers import page_of
from credits.api.base import body_of, query_of, user_of
from credits.api.fields import MAX_ID, Flag, PageQuery, StrictSerializer, WholeNumber, field_of
from credits.api.idempotency import IDEMPOTENCY_KEY, read_key
from credits.api.schema import errors
from credits.catalogue.fields import (
    CODES,
    NOTE,
    PACK_CREDITS,
    PACK_FIELDS,
    PACK_QUANTITY,
    REFERENCE,
)
from credits.catalogue.packs import change_pack, create_pack, pack_version
from credits.idempotency import namespaced
from credits.models import CodeBatch, Pack
from credits.packs.batches import batches, export_codes, find_batch, make_batch, void_batch
from credits.packs.csv_file import codes_csv
from credits.packs.giving import Given, give_pack
from credits.statement.days import DAY_PATTERN

Note = field_of(NOTE)


@extend_schema_serializer(component_name="Pack")
class PackOut(serializers.Serializer[Pack]):
    """A pack of credits that do not expire."""

    def get_fields(self) -> dict[str, Any]:
        version = serializers.SerializerMethodField(help_text="For a PUT.")
        return {"id": serializers.IntegerField(), **fields_of(PACK_FIELDS), "version": version}

    def get_version(self, pack: Pack) -> str:
        return pack_version(pack)


@extend_schema_serializer(component_name="Packs")
class PacksOut(serializers.Serializer[Any]):
    """Every pack, also retired ones."""

    packs = PackOut(many=True)


@extend_schema_serializer(component_name="NewPack")
class PackIn(StrictSerializer):
    """A pack to add."""

    def get_fields(self) -> dict[str, Any]:
        needed = {name: PACK_FIELDS[name] for name in ("name", "credits")}
        return {**fields_of(PACK_FIELDS, required=False), **fields_of(needed)}


@extend_schema_serializer(component_name="PackChange")
class PackChange(VersionQuery):
    """What to change of a pack."""

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), **fields_of(PACK_FIELDS, required=False)}


@extend_schema_serializer(component_name="PackToGive")
class GiveIn(StrictSerializer):
    """Which pack, for which payment."""

    packId = WholeNumber(source="pack_id", min_value=1, max_value=MAX_ID)
    quantity = field_of(PACK_QUANTITY)(default=1)
    reference = field_of(REFERENCE)(
        default="", help_text="Of the payment: the same one never brings a pack twice."
    )
    reason = Reason(help_text="Why: the user sees it in the statement.")


@extend_schema_serializer(component_name="GivenPack")
class GivenOut(serializers.Serializer[Given]):
    """A pack that somebody has."""

    credits = serializers.IntegerField()
    creditsRemaining = serializers.IntegerField(source="balance")
    usageId = serializers.IntegerField(source="usage_id", help_text="Its journal row.")
    replayed = serializers.BooleanField(help_text="Whether this payment had brought it before.")


@extend_schema_serializer(component_name="NewCodeBatch")
class BatchIn(StrictSerializer):
    """Codes to make: of a pack, or worth `credits` each."""

    schema_extra = {"anyOf": [{"required": ["packId"]}, {"required": ["credits"]}]}

    packId = WholeNumber(source="pack_id", required=False, min_value=1, max_value=MAX_ID)
    credits = field_of(PACK_CREDITS)(source="worth", required=False)
    count = field_of(CODES)()
    lastDay = serializers.RegexField(
        DAY_PATTERN, source="last_day", help_text="They can be redeemed until it ends, in UTC."
    )
    oncePerUser = Flag(source="once_per_user", default=True)
    note = Note(source="reason", default="", help_text="What they are for, for admins.")


@extend_schema_serializer(component_name="CodeBatch")
class BatchOut(serializers.Serializer[CodeBatch]):
    """A batch of codes and how far it is; the codes themselves are kept nowhere."""

    id = serializers.IntegerField()
    pack = serializers.CharField(source="pack.name", default=None, allow_null=True)
    credits = serializers.IntegerField(source="worth", help_text="Of each code.")
    count = serializers.IntegerField()
    redeemed = serializers.IntegerField()
    expiresAt = serializers.DateTimeField(source="expires_at")
    oncePerUser = serializers.BooleanField(source="once_per_user")
    note = serializers.CharField()
    state = serializers.ChoiceField(["made", "exported", "over", "void"])
    madeBy = serializers.CharField(source="made_by.__str__")
    approvedBy = serializers.CharField(source="approved_by.__str__", default=None, allow_null=True)
    madeAt = serializers.DateTimeField(source="made_at")
    exportedAt = serializers.DateTimeField(source="exported_at", allow_null=True)
    voidedAt = serializers.DateTimeField(source="voided_at", allow_null=True)


@extend_schema_serializer(component_name="CodeExport")
class ExportIn(StrictSerializer):
    anew = Flag(
        default=False,
        help_text="The file is lost: codes that nobody redeemed end, and others are made.",
    )


@extend_schema_serializer(component_name="CodesVoid")
class VoidIn(StrictSerializer):
    reason = Note(default="")


class Packs(AdminView):
    @described(operation_id="listPacks", summary="Packs", responses=PacksOut)
    def get(self, request: Request) -> Response:
        return Response(PacksOut({"packs": Pack.objects.all()}).data)

    @described(
        operation_id="createPack",
        summary="Add a pack",
        request=PackIn,
        responses={201: PackOut, **errors(409)},
    )
    def post(self, request: Request) -> Response:
        pack = create_pack(actor=user_of(request), values=body_of(request, PackIn))
        return Response(PackOut(pack).data, status=201)


class OnePack(AdminView):
    @described(
        operation_id="updatePack",
        summary="Change a pack",
        description="Changes what the body names. What was given, and batches of codes, keep the "
        "credits that they had. Packs are retired (`active`), not removed.",
        request=PackChange,
        responses={200: PackOut, **errors(404, 409)},
    )
    def put(self, request: Request, pack_id: int) -> Response:
        changes = body_of(request, PackChange)
        version = changes.pop("version", None)
        pack = change_pack(
            actor=user_of(request), pack_id=pack_id, changes=changes, expected_version=version
        )
        return Response(PackOut(pack).data)


class GivenPacks(AdminView):
    @described(
        operation_id="givePack",
        summary="Give or sell somebody a pack",
        description="Credits that do not expire. Without a reference the key gives it once. What "
        f"is left of it can be taken back by an adjustment. {ABOVE}",
        parameters=[USER_ID, IDEMPOTENCY_KEY],
        request=GiveIn,
        responses={200: GivenOut, **WAITS, **errors(403, 404, 409, 422)},
    )
    def post(self, request: Request, user_id: str) -> Response:
        body, actor = body_of(request, GiveIn), user_of(request)
        key = namespaced(f"give:{actor.pk}", read_key(request) or str(uuid4()))
        done = give_pack(actor=actor, user_id=pk_of(user_id), key=key, **body)
        return Response(GivenOut(done).data)


class Batches(AdminView):
    @described_list(
        "listCodeBatches", "Batches of redeem codes", PageQuery,
        BatchOut, page="CodeBatches", meaning="A page of batches, newest first.",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return page_of(batches(), query_of(request, PageQuery), BatchOut)

    @described(
        operation_id="makeCodes",
        summary="Make a batch of redeem codes",
        description="All codes together count as what the admin moves. Export the batch to have "
        f"them. {ABOVE}",
        parameters=[IDEMPOTENCY_KEY],
        request=BatchIn,
        responses={201: BatchOut, **WAITS, **errors(422)},
    )
    def post(self, request: Request) -> Response:
        body, actor = body_of(request, BatchIn), user_of(request)
        key = namespaced(f"codes:{actor.pk}", read_key(request) or str(uuid4()))
        return Response(BatchOut(make_batch(actor=actor, key=key, **body)).data, status=201)


class OneBatch(AdminView):
    @described(
        operation_id="getCodeBatch",
        summary="A batch of redeem codes",
        responses={200: BatchOut, **errors(404)},
    )
    def get(self, request: Request, batch_id: int) -> Response:
        return Response(BatchOut(find_batch(batch_id)).data)


class BatchExport(AdminView):
    @described(
        operation_id="exportCodes",
        summary="Export the codes of a batch, once",
        description="Makes the codes and answers with them as CSV; they are kept nowhere. A "
        "second export is 409, unless it is `anew`.",
        request=ExportIn,
        responses={(200, "text/csv"): OpenApiTypes.STR, **errors(404, 409)},
    )
    def post(self, request: Request, batch_id: int) -> HttpResponse:
        body = body_of(request, ExportIn)
        return codes_csv(*export_codes(actor=user_of(request), batch_id=batch_id, **body))


class BatchVoid(AdminView):
    @described(
        operation_id="voidCodes",
        summary="End the codes of a batch that nobody has redeemed",
        request=VoidIn,
        responses={200: BatchOut, **errors(404)},
    )
    def post(self, request: Request, batch_id: int) -> Response:
        body = body_of(request, VoidIn)
        ended = void_batch(actor=user_of(request), batch_id=batch_id, **body)
        return Response(BatchOut(ended).data)
