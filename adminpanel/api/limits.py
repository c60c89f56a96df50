"""Limits that admins set for somebody, in JSON."""

from rest_framework.request import Request
from rest_framework.response import Response

from adminpanel.api.users import USER_ID, Reason, pk_of
from adminpanel.api.views import AdminView, described
from credits.api.base import body_of, query_of, user_of
from credits.api.limits import LimitChange, LimitIn, LimitOut, LimitsOut, LimitVersion, put_limit
from credits.api.schema import errors
from credits.limit_states import limit_states
from credits.limits.setting import NEW, remove_limit


class AdminLimitIn(LimitIn):
    """A limit that its user cannot change."""

    reason = Reason(help_text="Why: for the audit.")


class AdminLimitChange(LimitChange):
    """The same, of the state that was read."""

    reason = Reason(help_text="Why: for the audit.")


class RemovalQuery(LimitVersion):
    reason = Reason(help_text="Why: for the audit.")


class PersonsLimits(AdminView):
    @described(
        operation_id="listUserLimits",
        summary="Somebody's limits",
        description="Their own, and those that admins set.",
        parameters=[USER_ID],
        responses={200: LimitsOut, **errors(404)},
    )
    def get(self, request: Request, user_id: str) -> Response:
        states = limit_states(account_id=pk_of(user_id))
        return Response(LimitsOut({"limits": states}).data)

    @described(
        operation_id="addUserLimit",
        summary="Set a limit for somebody",
        description="Adds one beside the person's own: a spend keeps to both. There is one for "
        "each period: 409 where it is set already. An admin's own account is for other admins.",
        parameters=[USER_ID],
        request=AdminLimitIn,
        responses={201: LimitOut, **errors(403, 404, 409)},
    )
    def post(self, request: Request, user_id: str) -> Response:
        body, account_id = body_of(request, AdminLimitIn), pk_of(user_id)
        made = put_limit(
            body,
            actor=user_of(request),
            account_id=account_id,
            by_admin=True,
            expected_version=NEW,
        )
        return Response(made, status=201)

    @described(
        operation_id="changeUserLimit",
        summary="Set or change a limit for somebody",
        description="The admins' limit of this period is to be so, whether it is set or not.",
        parameters=[USER_ID],
        request=AdminLimitChange,
        responses={200: LimitOut, **errors(403, 404, 409)},
    )
    def put(self, request: Request, user_id: str) -> Response:
        body, account_id = body_of(request, AdminLimitChange), pk_of(user_id)
        actor = user_of(request)
        return Response(put_limit(body, actor=actor, account_id=account_id, by_admin=True))


class PersonsLimit(AdminView):
    @described(
        operation_id="removeUserLimit",
        summary="Remove a limit that admins set",
        parameters=[USER_ID, RemovalQuery],
        responses={204: None, **errors(400, 403, 404, 409)},
    )
    def delete(self, request: Request, user_id: str, limit_id: int) -> Response:
        query = query_of(request, RemovalQuery)
        remove_limit(
            actor=user_of(request),
            account_id=pk_of(user_id),
            limit_id=limit_id,
            expected_version=query.get("version"),
            by_admin=True,
            reason=query["reason"],
        )
        return Response(status=204)
