"""What the views of the API need of a request."""

from typing import Any

from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from credits.models import User


class ApiView(APIView):
    """The base of every call of the JSON API. OPTIONS is answered with 405."""

    http_method_names = ["get", "head", "post", "put", "delete"]


def user_of(request: Request) -> User:
    """The user who is asking; for views whose permissions let nobody else in."""
    assert isinstance(request.user, User)
    return request.user


def body_of(request: Request, serializer: type[BaseSerializer[Any]]) -> Any:
    """The request's body as the serializer has it. Raises ValidationError (400)."""
    return _validated(serializer(data=request.data))


def query_of(request: Request, serializer: type[BaseSerializer[Any]]) -> Any:
    """The request's query as the serializer has it. Raises ValidationError (400)."""
    return _validated(serializer(data=request.query_params.dict()))


def _validated(serializer: BaseSerializer[Any]) -> Any:
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
