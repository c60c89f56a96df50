"""Files of messages in JSON."""

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from ai_chat.attachments.services import add_file, delete_file, own_file_or_404
from ai_chat.attachments.uploads import FileOut, check_length, uploaded_files
from ai_chat.models import Attachment
from ai_chat.serving import serve
from config.pagination import LATEST_FIRST, paginate
from credits.api.base import ApiView, query_of, user_of
from credits.api.fields import QueryNumber, StrictSerializer
from credits.api.schema import errors
from credits.users.permissions import refuse_impersonated


class NewFile(serializers.Serializer[Any]):
    file = serializers.FileField()


class FilesPage(serializers.Serializer[Any]):
    items = FileOut(many=True)
    nextCursor = serializers.UUIDField(allow_null=True, help_text="For `cursor`; null at the end.")


class FilesQuery(StrictSerializer):
    cursor = serializers.UUIDField(required=False, help_text="`nextCursor` of the page before.")
    limit = QueryNumber(
        default=50, min_value=1, max_value=200, help_text="Files of a page, 50 unless given."
    )


class Files(ApiView):
    parser_classes = [MultiPartParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        check_length(request)
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="addFile",
        summary="Send a file",
        description="One file, as the part `file` of a `multipart/form-data` body: a picture (PNG, "
        "JPEG, WebP, GIF), a PDF, text in any encoding, or an office document (docx, xlsx, pptx, "
        "odt, ods, odp). What it is is told by its content. Of pictures a smaller one is kept, "
        "without what else was in the file. One that is not sent with a message within a day is "
        "deleted. 409 (`storage_full`) when the account's storage is full.",
        request={"multipart/form-data": NewFile},
        responses={201: FileOut, **errors(409, 413)},
        tags=["ai"],
    )
    def post(self, request: Request) -> Response:
        refuse_impersonated(request)
        [uploaded] = uploaded_files(request, most=1)
        added = add_file(user_id=user_of(request).pk, name=uploaded.name or "", content=uploaded)
        return Response(FileOut(added).data, status=201)

    @extend_schema(
        operation_id="listFiles",
        summary="Your files",
        description="Newest first. 404 when the file that `cursor` names is deleted: begin without "
        "one.",
        parameters=[FilesQuery],
        responses={200: FilesPage, **errors(400, 404)},
        tags=["ai"],
    )
    def get(self, request: Request) -> Response:
        query = query_of(request, FilesQuery)
        user_id, cursor = user_of(request).pk, query.get("cursor")
        last = own_file_or_404(user_id=user_id, file_id=cursor) if cursor else None
        page = paginate(
            Attachment.objects.filter(user_id=user_id).defer("text"),
            size=query["limit"],
            order=LATEST_FIRST,
            older_than=(last.created_at, last.pk) if last else None,
            onwards_only=True,
        )
        items = {"items": page.rows, "nextCursor": page.rows[-1].pk if page.older else None}
        return Response(FilesPage(items).data)


class OneFile(ApiView):
    @extend_schema(
        operation_id="getFile",
        summary="One of your files",
        responses={200: FileOut, **errors(404)},
        tags=["ai"],
    )
    def get(self, request: Request, file_id: UUID) -> Response:
        own = own_file_or_404(user_id=user_of(request).pk, file_id=file_id)
        return Response(FileOut(own).data)

    @extend_schema(
        operation_id="deleteFile",
        summary="Delete a file",
        description="For good. Messages that were sent with it stay.",
        request=None,
        responses={204: None, **errors(404)},
        tags=["ai"],
    )
    def delete(self, request: Request, file_id: UUID) -> Response:
        refuse_impersonated(request)
        delete_file(attachment=own_file_or_404(user_id=user_of(request).pk, file_id=file_id))
        return Response(status=204)


class FileContent(ApiView):
    @extend_schema(
        operation_id="getFileContent",
        summary="A file's content",
        description="As it is kept.",
        parameters=[
            OpenApiParameter("download", OpenApiTypes.STR, description="Saves it as a file.")
        ],
        responses={
            (200, "*/*"): OpenApiResponse(OpenApiTypes.BINARY, description="The file."),
            304: None,
            **errors(404, 429),
        },
        tags=["ai"],
    )
    def get(self, request: Request, file_id: UUID) -> HttpResponseBase:
        django = request._request  # noqa: SLF001 -- the documented way to the request DRF wraps
        return serve(django, own_file_or_404(user_id=user_of(request).pk, file_id=file_id))
