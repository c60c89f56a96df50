"""Who may: for every address, what nobody, the owner, another user and an admin are answered.

A new address needs a row below: METHOD, the route as its urls.py has it, four statuses. What the
route names (`<uuid:turn_id>`) is found in `things_of`; all of it is Alice's. A call to /api/ sends
`{}`, a page an empty form, so 400 means: may, and sent nothing of use. Rows run from the top: what
deletes stands below what reads.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import URLResolver, get_resolver
from django.utils import timezone
from PIL import Image as Picture

from ai_chat.attachments.services import add_file
from ai_chat.gateway import urls as gateway
from ai_chat.models import Conversation, Folder, Image, ImageRequest, Preset, SharePicture, Turn
from ai_chat.sharing.services import report, share_chat
from credits.catalogue.prices import set_feature_costs
from credits.models import (
    CodeBatch,
    Provider,
    SettingsChange,
    User,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMessage,
)
from credits.packs.batches import make_batch
from credits.users.session_list import list_sessions
from tests.ai_chat.gateway.responses.kept import keep_response
from tests.ai_chat.turns import text_model
from tests.api import Api
from tests.credits.packs.making import day, make_pack
from tests.factories import (
    make_adjustment_request,
    make_admin,
    make_charge,
    make_key,
    make_limit,
    make_model,
    make_plan,
    make_secret,
)
from tests.live import session_of

#: METHOD route                                          nobody owner other admin
TABLE = """
GET    healthz                                             200   200   200   200
GET    readyz                                              200   200   200   200
GET    manifest.webmanifest                                200   200   200   200
GET    service-worker.js                                   200   200   200   200
GET    offline                                             200   200   200   200
GET    metrics                                             404   404   404   200

GET    api/credits/me                                      401   200   200   200
GET    api/account/limits                                  401   200   200   200
POST   api/account/limits                                  401   400   400   400
PUT    api/account/limits                                  401   400   400   400
GET    api/credits/settings                                200   200   200   200
GET    api/credits/usage                                   401   200   200   200
POST   api/account/redeem                                  401   400   400   400
GET    api/schema                                          200   200   200   200
GET    api/docs                                            200   200   200   200
GET    api/docs/v1                                         200   200   200   200

GET    api/calls                                           401   200   200   200
GET    api/chats                                           401   200   200   200
GET    api/ai/models                                       401   200   200   200
POST   api/ai/quote                                        401   400   400   400
POST   api/ai/chat                                         401   400   400   400
GET    api/ai/chat/<path:chat_id>/stream                   401   204   204   204
POST   api/ai/chat/<path:chat_id>/stop                     401   204   404   404
POST   api/ai/image                                        401   400   400   400
POST   api/files                                           401   415   415   415
GET    api/files                                           401   200   200   200
GET    api/files/<uuid:file_id>                            401   200   404   404
GET    api/files/<uuid:file_id>/content                    401   200   404   404
GET    api/ai/images                                       401   200   200   200
GET    api/ai/images/requests/<uuid:request_id>            401   200   404   404
POST   api/ai/images/requests/<uuid:request_id>/stop       401   200   404   404
GET    api/ai/images/<uuid:image_id>/file                  401   200   404   404

GET    api/keys                                            401   200   200   200
POST   api/keys                                            401   400   400   400
GET    api/keys/<str:key_id>                               401   200   404   404
PATCH  api/keys/<str:key_id>                               401   200   404   404
POST   api/keys/<str:key_id>/roll                          401   200   404   404
DELETE api/keys/<str:key_id>                               401   204   404   404

GET    api/account/alerts                                  401   200   200   200
PUT    api/account/alerts                                  401   400   400   400
GET    api/account/webhooks                                401   200   200   200
POST   api/account/webhooks                                401   400   400   400
GET    api/account/webhooks/<uuid:endpoint_id>             401   200   404   404
PUT    api/account/webhooks/<uuid:endpoint_id>             401   200   404   404
POST   api/account/webhooks/<uuid:endpoint_id>/roll        401   200   404   404
POST   api/account/webhooks/<uuid:endpoint_id>/test        401   202   404   404
GET    api/account/webhooks/<uuid:endpoint_id>/attempts    401   200   404   404
POST   api/account/webhooks/<uuid:endpoint_id>/attempts/<int:attempt_id>/again 401   202   404   404

GET    api/admin/settings                                  401   404   404   200
PUT    api/admin/settings                                  401   404   404   400
GET    api/admin/settings/changes                          401   404   404   200
GET    api/admin/models                                    401   404   404   200
PUT    api/admin/models                                    401   404   404   200
GET    api/admin/plans                                     401   404   404   200
POST   api/admin/plans                                     401   404   404   400
PUT    api/admin/plans/<str:clerk_id>                      401   404   404   200
DELETE api/admin/plans/<str:clerk_id>                      401   404   404   204
GET    api/admin/packs                                     401   404   404   200
POST   api/admin/packs                                     401   404   404   400
PUT    api/admin/packs/<int:pack_id>                       401   404   404   200
POST   api/admin/users/<str:user_id>/packs                 401   404   404   400
GET    api/admin/codes                                     401   404   404   200
POST   api/admin/codes                                     401   404   404   400
GET    api/admin/codes/<int:batch_id>                      401   404   404   200
POST   api/admin/codes/<int:batch_id>/export               401   404   404   200
POST   api/admin/codes/<int:batch_id>/void                 401   404   404   200
GET    api/admin/health/credits-enum                       401   404   404   200

GET    api/admin/clerk/plans                               401   404   404   409
POST   api/admin/users/sync                                401   404   404   409
GET    api/admin/users/sync/<uuid:job_id>                  401   404   404   404
DELETE api/admin/users/sync/<uuid:job_id>                  401   404   404   404
GET    api/admin/users                                     401   404   404   200
PUT    api/admin/users/<str:user_id>/credits               401   404   404   400
GET    api/admin/users/<str:user_id>/limits                401   404   404   200
POST   api/admin/users/<str:user_id>/limits                401   404   404   400
PUT    api/admin/users/<str:user_id>/limits                401   404   404   400
DELETE api/admin/users/<str:user_id>/limits/<int:limit_id> 401   404   404   400
GET    api/admin/keys                                      401   404   404   200
DELETE api/admin/keys/<str:key_id>                         401   404   404   400
GET    api/admin/credits                                   401   404   404   200
PUT    api/admin/credits/<str:user_id>                     401   404   404   400
GET    api/admin/usage                                     401   404   404   200
GET    api/admin/usage/models                              401   404   404   200

POST   api/webhooks/clerk                                  404   404   404   404
POST   auth/clerk/session                                  404   404   404   404

GET                                                        200   302   302   302
GET    sign-in                                             200   302   302   302
GET    sign-in/password                                    200   302   302   302
GET    sign-in/code                                        302   302   302   302
POST   sign-in/code                                        302   302   302   302
GET    sign-up                                             200   302   302   302
GET    sign-up/sent                                        200   200   200   200
GET    sign-up/<uidb64>/<token>                            200   200   200   200
POST   sign-up/<uidb64>/<token>                            200   200   200   200
POST   sign-out                                            302   302   302   302
GET    pricing                                             200   200   200   200
GET    password-reset                                      200   200   200   200
GET    password-reset/sent                                 200   200   200   200
GET    password-reset/done                                 200   200   200   200
GET    reset/<uidb64>/<token>                              200   200   200   200
GET    prove/<uidb64>/<token>                              200   200   200   200
POST   prove/<uidb64>/<token>                              200   200   200   200
POST   account/prove                                       302   302   302   302
GET    account                                             302   200   200   200
GET    account/redeem                                      302   200   200   200
POST   account/redeem                                      302   422   422   422
GET    account/password                                    302   200   200   200
GET    account/second-factor                               302   200   200   200
POST   account/second-factor                               302   200   200   200
POST   account/sessions/<str:session_id>/end               302   302   404   404
POST   account/sessions/end                                302   302   302   302
GET    session                                             200   200   200   200
POST   account/alerts                                      302   302   302   302
GET    account/webhooks                                    302   200   200   200
POST   account/webhooks                                    302   200   200   200
GET    account/webhooks/<uuid:endpoint_id>                 302   200   404   404
POST   account/webhooks/<uuid:endpoint_id>                 302   200   404   404
POST   account/webhooks/<uuid:endpoint_id>/secret          302   302   404   404
POST   account/webhooks/<uuid:endpoint_id>/test            302   302   404   404
POST   account/webhooks/<uuid:endpoint_id>/attempts/<int:attempt_id>/again  302   302   404   404
POST   account/webhooks/<uuid:endpoint_id>/switch          302   302   404   404
GET    account/webhooks/<uuid:endpoint_id>/delete          302   200   404   404
DELETE api/account/webhooks/<uuid:endpoint_id>             401   204   404   404
POST   account/webhooks/<uuid:endpoint_id>/delete          302   404   404   404
GET    account/limits                                      302   200   200   200
POST   account/limits                                      302   422   422   422
GET    account/limits/<int:limit_id>                       302   200   404   404
POST   account/limits/<int:limit_id>                       302   422   404   404
GET    account/limits/<int:limit_id>/remove                302   200   404   404
POST   account/limits/<int:limit_id>/remove                302   409   404   404
DELETE api/account/limits/<int:limit_id>                   401   204   404   404
GET    account/keys                                        302   200   200   200
POST   account/keys                                        302   422   422   422
GET    account/keys/<str:public_id>                        302   200   404   404
POST   account/keys/<str:public_id>                        302   422   404   404
GET    account/keys/<str:public_id>/roll                   302   200   404   404
POST   account/keys/<str:public_id>/roll                   302   422   404   404
GET    account/keys/<str:public_id>/revoke                 302   200   404   404
POST   account/keys/<str:public_id>/revoke                 302   302   404   404
GET    account/calls                                       302   200   200   200
GET    account/calls.csv                                   302   200   200   200
GET    account/keys/<str:public_id>/calls                  302   200   404   404
GET    account/chats                                       302   200   200   200
POST   account/chats                                       302   302   302   302
GET    account/chats/presets/new                           302   200   200   200
POST   account/chats/presets/new                           302   422   422   422
GET    account/chats/presets/<uuid:preset_id>              302   200   404   404
POST   account/chats/presets/<uuid:preset_id>              302   422   404   404
GET    account/chats/presets/<uuid:preset_id>/delete       302   200   404   404
POST   account/chats/presets/<uuid:preset_id>/delete       302   302   404   404
GET    account/data                                        302   200   200   200
POST   account/data/archive                                302   302   302   302
GET    account/data/archives/<uuid:job_id>                 302   404   404   404
POST   account/data/import                                 302   422   422   422
GET    account/shares                                      302   200   200   200
POST   account/shares/<uuid:share_id>/update               302   302   404   404
GET    account/shares/<uuid:share_id>/revoke               302   200   404   404
GET    shared/<str:share_token>                            302   200   200   200
GET    shared/<str:share_token>/images/<uuid:picture_id>   302   200   200   200
GET    shared/<str:share_token>/report                     302   200   200   200
POST   shared/<str:share_token>/report                     302   422   422   422
GET    shared/<str:share_token>/continue                   302   200   200   200
POST   shared/<str:share_token>/continue                   302   302   302   302
GET    admin/shares                                        302   404   404   200
GET    admin/shares/<uuid:share_id>                        302   404   404   200
POST   admin/shares/<uuid:share_id>                        302   404   404   422
POST   account/shares/<uuid:share_id>/revoke               302   302   404   404
GET    account/data/responses                              302   200   200   200
POST   account/data/responses                              302   302   302   302
GET    account/data/delete/<str:kind>                      302   200   200   200
POST   account/data/delete/<str:kind>                      302   302   302   302
GET    account/close                                       302   200   200   200
POST   account/close                                       302   200   200   200
GET    help/keyboard                                       200   200   200   200
GET    privacy                                             200   200   200   200
GET    credits/balance                                     401   200   200   200
GET    usage                                               302   200   200   200
GET    usage.csv                                           302   200   200   200

GET    ai-chat                                             302   200   200   200
POST   ai-chat/model                                       302   204   204   204
GET    ai-chat/attached                                    302   200   200   200
GET    ai-chat/offer                                       302   200   200   200
GET    ai-chat/conversations                               302   302   302   302
GET    ai-chat/search                                      302   200   200   200
GET    ai-chat/all                                         302   200   200   200
POST   ai-chat/all/change                                  302   302   302   302
POST   ai-chat/folders                                     302   422   422   422
POST   ai-chat/folders/<uuid:folder_id>/rename             302   302   404   404
GET    ai-chat/folders/<uuid:folder_id>/delete             302   200   404   404
POST   ai-chat/folders/<uuid:folder_id>/delete             302   302   404   404
GET    ai-chat/title                                       302   204   204   204
GET    ai-chat/instructions                                302   204   204   204
POST   ai-chat/<uuid:conversation_id>/instructions         302   302   404   404
GET    ai-chat/turns/<uuid:turn_id>/events                 302   200   404   404
GET    ai-chat/turns/<uuid:turn_id>/source                302   200   404   404
POST   ai-chat/turns/<uuid:turn_id>/stop                   302   302   404   404
GET    ai-chat/turns/<uuid:turn_id>/again                  302   200   404   404
GET    ai-chat/charges/<int:charge_id>                      302   302   404   404
GET    ai-chat/<uuid:conversation_id>                      302   200   404   404
POST   ai-chat/<uuid:conversation_id>/change               302   302   404   404
GET    ai-chat/<uuid:conversation_id>/export.md            302   200   404   404
GET    ai-chat/<uuid:conversation_id>/export.json          302   200   404   404
GET    ai-chat/<uuid:conversation_id>/print                302   200   404   404
GET    ai-chat/<uuid:conversation_id>/share                302   200   404   404
POST   ai-chat/<uuid:conversation_id>/share                302   422   404   404
POST   ai-chat/<uuid:conversation_id>/rename               302   302   404   404
POST   ai-chat/<uuid:conversation_id>/shown                302   302   404   404
GET    ai-chat/<uuid:conversation_id>/delete               302   200   404   404
POST   ai-chat/<uuid:conversation_id>/delete               302   302   404   404

GET    images                                              302   200   200   200
GET    images/offer                                        302   200   200   200
POST   ai-chat/files                                       302   400   400   400
GET    ai-chat/files/<uuid:file_id>                        302   200   404   404
GET    ai-chat/files/<uuid:file_id>/delete                 302   200   404   404
GET    account/files                                       302   200   200   200
POST   account/files/delete                                302   302   302   302
DELETE api/files/<uuid:file_id>                            401   204   404   404
POST   ai-chat/files/<uuid:file_id>/delete                 302   404   404   404
GET    images/requests/<uuid:request_id>                   302   302   404   404
GET    images/requests/<uuid:request_id>/events            302   200   404   404
POST   images/requests/<uuid:request_id>/stop              302   302   404   404
GET    images/<uuid:image_id>/file                         302   200   404   404
GET    images/<uuid:image_id>/delete                       302   200   404   404
GET    images/requests/<uuid:request_id>/delete            302   200   404   404
DELETE api/ai/images/<uuid:image_id>                       401   204   404   404
POST   images/<uuid:image_id>/delete                       302   404   404   404
POST   images/requests/<uuid:request_id>/delete            302   302   404   404

GET    admin/confirm                                       302   404   404   200
POST   admin/confirm                                       302   404   404   200
GET    admin                                               302   404   404   200
GET    admin/health                                        302   404   404   200
POST   admin/health/check                                  302   404   404   302
GET    admin/settings                                      302   404   404   200
GET    admin/settings/preview                              302   404   404   200
GET    admin/settings/review                               302   404   404   422
POST   admin/settings/costs                                302   404   404   422
GET    admin/settings/history                              302   404   404   200
GET    admin/settings/history/<int:change_id>/undo         302   404   404   200
POST   admin/settings/history/<int:change_id>/undo         302   404   404   302
GET    admin/settings/plans/new                            302   404   404   200
POST   admin/settings/plans/new                            302   404   404   422
GET    admin/settings/plans/<str:clerk_id>                 302   404   404   404
POST   admin/settings/plans/<str:clerk_id>                 302   404   404   422
GET    admin/settings/plans/<str:clerk_id>/delete          302   404   404   404
POST   admin/settings/plans/<str:clerk_id>/delete          302   404   404   404
GET    admin/settings/packs/new                            302   404   404   200
POST   admin/settings/packs/new                            302   404   404   422
GET    admin/settings/packs/<int:pack_id>                  302   404   404   200
POST   admin/settings/packs/<int:pack_id>                  302   404   404   422
GET    admin/settings/models/new                           302   404   404   200
POST   admin/settings/models/new                           302   404   404   422
GET    admin/settings/models/<int:model_id>                302   404   404   200
POST   admin/settings/models/<int:model_id>                302   404   404   422
GET    admin/settings/models/<int:model_id>/price          302   404   404   200
POST   admin/settings/models/<int:model_id>/price          302   404   404   422
GET    admin/settings/models/<int:model_id>/price/review   302   404   404   422
POST   admin/settings/models/<int:model_id>/price/withdraw 302   404   404   302
GET    admin/settings/providers/new                        302   404   404   200
POST   admin/settings/providers/new                        302   404   404   422
GET    admin/settings/providers/<int:provider_id>          302   404   404   200
POST   admin/settings/providers/<int:provider_id>          302   404   404   422
GET    admin/settings/providers/<int:provider_id>/models   302   404   404   502
POST   admin/settings/providers/<int:provider_id>/models   302   404   404   502
POST   admin/settings/providers/<int:provider_id>/delete   302   404   404   302
GET    admin/settings/chats                                302   404   404   200
POST   admin/settings/chats                                302   404   404   422
GET    admin/settings/chats/presets/new                    302   404   404   200
POST   admin/settings/chats/presets/new                    302   404   404   422
GET    admin/settings/chats/presets/<uuid:preset_id>       302   404   404   404
POST   admin/settings/chats/presets/<uuid:preset_id>       302   404   404   404
GET    admin/settings/chats/presets/<uuid:preset_id>/delete 302   404   404   404
POST   admin/settings/chats/presets/<uuid:preset_id>/delete 302   404   404   404
GET    admin/settings/import                               302   404   404   200
POST   admin/settings/import/preview                       302   404   404   422
POST   admin/settings/import/take                          302   404   404   422
GET    admin/users                                         302   404   404   200
GET    admin/users/approvals                               302   404   404   200
GET    admin/users/approvals/<int:approval_id>             302   404   404   200
POST   admin/users/approvals/<int:approval_id>             302   404   404   422
GET    admin/users/<int:user_id>                           302   404   404   200
GET    admin/users/<int:user_id>/calls                     302   404   404   200
GET    admin/users/<int:user_id>/adjust                    302   404   404   200
POST   admin/users/<int:user_id>/adjust                    302   404   404   422
GET    admin/users/<int:user_id>/give                      302   404   404   200
POST   admin/users/<int:user_id>/give                      302   404   404   422
GET    admin/keys                                          302   404   404   200
GET    admin/keys/<str:public_id>/revoke                   302   404   404   200
POST   admin/keys/<str:public_id>/revoke                   302   404   404   422
GET    admin/codes                                         302   404   404   200
GET    admin/codes/new                                     302   404   404   200
POST   admin/codes/new                                     302   404   404   422
GET    admin/codes/<int:batch_id>                          302   404   404   200
POST   admin/codes/<int:batch_id>/export                   302   404   404   409
POST   admin/codes/<int:batch_id>/void                     302   404   404   302
GET    admin/users/<int:user_id>/limits                    302   404   404   200
POST   admin/users/<int:user_id>/limits                    302   404   404   422
GET    admin/users/<int:user_id>/limits/<int:limit_id>     302   404   404   404
POST   admin/users/<int:user_id>/limits/<int:limit_id>     302   404   404   404
GET    admin/users/<int:user_id>/limits/<int:limit_id>/remove 302   404   404   404
POST   admin/users/<int:user_id>/limits/<int:limit_id>/remove 302   404   404   404
GET    admin/users/charges/<int:charge_id>/refund          302   404   404   200
POST   admin/users/charges/<int:charge_id>/refund          302   404   404   422
GET    admin/usage                                         302   404   404   200
GET    admin/usage.csv                                     302   404   404   200
GET    admin/usage/keys                                    302   404   404   200
GET    admin/usage/keys.csv                                302   404   404   200
GET    admin/usage/models                                  302   404   404   200
GET    admin/usage/models.csv                              302   404   404   200
GET    admin/webhooks                                      302   404   404   200
GET    admin/webhooks/replay                               302   404   404   200
POST   admin/webhooks/replay                               302   404   404   400
GET    admin/webhooks/<int:delivery_id>                    302   404   404   200
GET    admin/webhooks/<int:delivery_id>/replay             302   404   404   200
POST   admin/webhooks/<int:delivery_id>/replay             302   404   404   302
GET    admin/sync                                          302   404   404   200
POST   admin/sync                                          302   404   404   400
GET    admin/sync/<uuid:job_id>                            302   404   404   404
POST   admin/sync/<uuid:job_id>/run                        302   404   404   404
GET    admin/sync/<uuid:job_id>/cancel                     302   404   404   404
POST   admin/sync/<uuid:job_id>/cancel                     302   404   404   404
GET    admin/sign-ins                                      302   404   404   200
GET    admin/sign-ins.csv                                  302   404   404   200
GET    admin/audit                                         302   404   404   200
GET    admin/audit.csv                                     302   404   404   200
"""
#: The same of /v1: without a key, with one of the owner's, one of another account's, one without
#: the scope to call models, and in a session of the owner's. All bodies are `{}`.
V1 = """
GET    v1/openapi.json                                     200   200   200   200   200
GET    v1/key                                              401   200   200   200   401
GET    v1/models                                           401   200   200   403   401
GET    v1/models/<path:name>                               401   200   200   403   401
POST   v1/quote                                            401   400   400   403   401
POST   v1/chat/completions                                 401   400   400   403   401
POST   v1/responses                                        401   400   400   403   401
POST   v1/messages                                         401   400   400   403   401
POST   v1/embeddings                                       401   400   400   403   401
POST   v1/images/generations                               401   400   400   403   401
GET    v1/responses/<str:response_id>                      401   200   404   403   401
GET    v1/responses/<str:response_id>/input_items          401   200   404   403   401
DELETE v1/responses/<str:response_id>                      401   200   404   403   401
"""
WITH_KEY = ("no key", "owner", "other", "no scope", "session")
WHO = ("nobody", "owner", "other", "admin")
ROW = re.compile(r"(GET|POST|PUT|PATCH|DELETE) +(\S*?) +(\d{3}) +(\d{3}) +(\d{3}) +(\d{3})")
ROWS = [ROW.fullmatch(line).groups() for line in TABLE.splitlines() if line]


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every route of the URL configuration with its view; the first of several is the one."""
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        else:
            yield route, pattern.callback


def methods_of(view: Any) -> set[str]:
    """What a call of the JSON API answers to; a page's view does not say."""
    kind = getattr(view, "cls", None)
    known = {
        method for method in ("get", "post", "put", "patch", "delete") if hasattr(kind, method)
    }
    return {method.upper() for method in known}


def test_every_address_has_its_row() -> None:
    rows = {(method, route) for method, route, *_ in ROWS}
    missing = {route for route, _ in routes(get_resolver())} - {route for _, route in rows}
    assert not missing, f"Say in TABLE who may use these: {sorted(missing)}"
    calls = {
        (method, route) for route, view in routes(get_resolver()) for method in methods_of(view)
    }
    assert calls <= rows, f"Say in TABLE who may do these: {sorted(calls - rows)}"


def test_every_row_has_its_address() -> None:
    stale = {route for _, route, *_ in ROWS} - {route for route, _ in routes(get_resolver())}
    assert not stale, f"Nothing is here any more; take the rows out of TABLE: {sorted(stale)}"


def things_of(owner: User) -> dict[str, str]:
    """Something of the owner's for every name in a route."""
    conversation = Conversation.objects.create(user=owner, title="Hers")
    turn = Turn.objects.create(
        user=owner, conversation=conversation, charge_id=make_charge(owner).id, model="m",
        prompt="p", answer="a", state=Turn.State.ANSWERED,
    )  # fmt: skip
    conversation.current = turn.pk
    conversation.save()
    made = ImageRequest.objects.create(
        user=owner, charge_id=make_charge(owner).id, model="m", prompt="p", size="8x8", count=1,
        state=ImageRequest.State.DELIVERED,
    )  # fmt: skip
    return {
        "conversation_id": str(conversation.pk),
        "chat_id": str(conversation.pk),
        "folder_id": str(Folder.objects.create(user=owner, name="Hers").pk),
        "preset_id": str(Preset.objects.create(user=owner, name="Hers").pk),
        "turn_id": str(turn.pk),
        "request_id": str(made.pk),
        "image_id": str(_image(made).pk),
        "file_id": str(add_file(user_id=owner.pk, name="a.txt", content=b"a").pk),
        "clerk_id": make_plan("cplan_pro").clerk_id,
        "user_id": str(owner.pk),
        "charge_id": str(turn.charge_id),
        "approval_id": str(make_adjustment_request(owner, delta=20_000).pk),
        "job_id": str(uuid4()),
        "delivery_id": str(_delivery(owner).pk),
        "change_id": str(_change().pk),
        "limit_id": str(make_limit(owner, 1_000).pk),
        "public_id": make_key(owner).public_id,
        "model_id": str(make_model().pk),
        "provider_id": str(_provider().pk),
        "pack_id": str(make_pack().pk),
        "batch_id": str(_batch().pk),
        "session_id": _session_id(owner),
        **_keys(owner),
        **_shared(conversation),
        **_webhook(owner),
        "kind": "chats",
        "uidb64": "MQ",
        "token": "set-password",
    }


def _shared(conversation: Conversation) -> dict[str, str]:
    """A link for people who are signed in, which was reported, with a picture."""
    share = share_chat(user=conversation.user, conversation=conversation, for_anybody=False, days=1)
    report(share=share, reporter=None, reason="other", text="")
    file = default_storage.save("who-may-shared.png", BytesIO(b"x"))
    picture = SharePicture.objects.create(
        share=share, file=file, content_type="image/png", width=1, height=1, bytes=1
    )
    return {
        "share_id": str(share.pk), "share_token": share.token, "picture_id": str(picture.pk),
    }  # fmt: skip


def _session_id(owner: User) -> str:
    """A session of hers, as her list of sessions names it."""
    session_of(owner)
    return list_sessions(user=owner, this=None)[-1].id


def _keys(owner: User) -> dict[str, str]:
    """Keys of hers: for the calls, and for the pages."""
    return {name: make_key(owner).public_id for name in ("key_id", "public_id")}


def _webhook(owner: User) -> dict[str, str]:
    """A webhook of hers, and an attempt to send it something."""
    endpoint = WebhookEndpoint.objects.create(
        account_id=owner.pk, url="https://example.com/hook", secret="x"
    )
    message = WebhookMessage.objects.create(account_id=owner.pk, kind="x.y", key="1", payload={})
    attempt = WebhookAttempt.objects.create(
        message=message, endpoint=endpoint, due_at=timezone.now()
    )
    return {"endpoint_id": str(endpoint.pk), "attempt_id": str(attempt.pk)}


def _provider() -> Provider:
    """Nobody answers there."""
    return Provider.objects.create(
        name="Nobody", base_url="http://127.0.0.1:9/v1", dialect=Provider.Dialect.COMPATIBLE
    )


def _batch() -> CodeBatch:
    """Codes that another admin has made."""
    return make_batch(actor=make_admin(), count=2, worth=5, last_day=day(9), key="k")


def _change() -> SettingsChange:
    """A price that was changed, so that it can be undone."""
    set_feature_costs(actor=None, costs={"ai_text_chat": 2})
    change = SettingsChange.objects.latest("pk")
    assert change.after == 2
    return change


def _delivery(owner: User) -> WebhookDelivery:
    payload = {"type": "x.y", "data": {"id": str(owner.pk)}}
    return WebhookDelivery.objects.create(svix_id="msg_1", type="x.y", payload=payload)


def _image(made: ImageRequest) -> Image:
    file = BytesIO()
    Picture.new("RGB", (8, 8)).save(file, "PNG")
    name = default_storage.save("who-may.png", file)
    return Image.objects.create(
        request=made, file=name, content_type="image/png", width=8, height=8,
        bytes=file.tell(), position=0,
    )  # fmt: skip


@pytest.mark.parametrize("place", range(4), ids=WHO)
@pytest.mark.django_db(transaction=True)
def test_who_may(
    place: int, alice: User, bob: User, admin: User, settings: Any, tmp_path: Any
) -> None:
    settings.MEDIA_ROOT = tmp_path
    person = (None, alice, bob, admin)[place]
    things = things_of(alice)
    wrong = []
    for method, route, *statuses in ROWS:
        response = call(person, method, filled(route, things))
        if response.status_code != int(statuses[place]):
            wrong.append(f"{method} {route}: {response.status_code}, not {statuses[place]}")
        if not re.search("no-store|no-cache", response.get("Cache-Control", "")):
            wrong.append(f"{method} {route}: may be shown again from a cache, to whomever")
        response.close()
    assert not wrong, f"For {WHO[place]}:\n" + "\n".join(wrong)


V1_ROWS = [line.split() for line in V1.splitlines() if line]


def test_every_address_of_v1_has_its_row() -> None:
    served = {str(each.pattern) for each in gateway.urlpatterns}
    assert {route for _, route, *_ in V1_ROWS} == served


@pytest.mark.parametrize("place", range(5), ids=WITH_KEY)
@pytest.mark.django_db(transaction=True)
def test_who_may_with_a_key(place: int, alice: User, bob: User) -> None:
    keep_response(alice, "Hi")
    things = {"name": text_model().name, "response_id": "resp_1"}
    keys = {1: make_key(alice), 2: make_key(bob), 3: make_key(alice, scopes=["usage:read"])}
    secret = make_secret(keys[place]) if place in keys else ""
    program = Api(alice if WITH_KEY[place] == "session" else None)
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    wrong = []
    for method, route, *statuses in V1_ROWS:
        path = filled(route, things)
        answer = program.generic(
            method, path, b"{}", content_type="application/json", headers=headers
        )
        if answer.status_code != int(statuses[place]):
            wrong.append(f"{method} {route}: {answer.status_code}, not {statuses[place]}")
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert error["type"]
            assert error["message"]
        assert answer["x-request-id"].startswith("req_")
        assert not answer.cookies
    assert not wrong, f"For {WITH_KEY[place]}:\n" + "\n".join(wrong)


def filled(route: str, things: dict[str, str]) -> str:
    """The route as an address; KeyError names what `things_of` lacks."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: things[match[1]], f"/{route}")


def call(person: User | None, method: str, path: str) -> Any:
    browser: Client = Api(person, REMOTE_ADDR="192.0.2.1")
    if path.startswith("/api/") and method != "GET":
        return browser.generic(method, path, b"{}", content_type="application/json")
    return getattr(browser, method.lower())(path)
