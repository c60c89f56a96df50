"""What an archive says of its user besides their chats, as JSON."""

from typing import Any

from ai_chat.data.chats import time_text
from ai_chat.models import ChatPreferences, Folder, Preset, Share
from credits.keys.states import key_states
from credits.models import (
    ApiKey,
    AuthenticationEvent,
    Limit,
    RedeemCode,
    Session,
    User,
    WebhookEndpoint,
    WebhookMessage,
)


def profile_of(user: User) -> dict[str, Any]:
    """The account itself: profile, sign-ins, limits, keys, webhooks and codes."""
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "clerkId": user.clerk_id,
        "joinedAt": time_text(user.date_joined),
        "lastSignInAt": time_text(user.last_login),
        "newEmail": user.new_email,
        "emailProvedAt": time_text(user.email_proved_at),
        "secondFactorAt": time_text(user.second_factor_at),
        **_sign_ins(user),
        "alertsByMail": user.alerts_by_mail,
        "keepsAnswers": user.keeps_answers,
        **_limits_and_keys(user),
        **_announced(user),
    }


def _sign_ins(user: User) -> dict[str, Any]:
    sessions = Session.objects.filter(user=user).order_by("created_at")
    events = AuthenticationEvent.objects.filter(user=user).order_by("pk")
    return {
        "sessions": [
            {
                "createdAt": time_text(session.created_at),
                "usedAt": time_text(session.used_at),
                "address": session.address,
                "device": session.device,
            }
            for session in sessions
        ],
        "activity": [
            {
                "at": time_text(event.created_at),
                "what": event.get_kind_display(),
                "address": event.address,
                "device": event.device,
            }
            for event in events
        ],
    }


def _limits_and_keys(user: User) -> dict[str, Any]:
    limits = Limit.objects.filter(account_id=user.pk).order_by("pk")
    keys = ApiKey.objects.filter(account_id=user.pk).order_by("pk")
    return {
        "limits": [
            {
                "period": limit.period,
                "credits": limit.credits,
                "hard": limit.hard,
                "alertAt": limit.alert_at,
                "since": f"{limit.since}",
                "byAdmin": limit.by_admin,
                "key": limit.api_key.public_id if limit.api_key else None,
            }
            for limit in limits.select_related("api_key")
        ],
        "apiKeys": [
            {
                "id": state.key.public_id,
                "createdAt": time_text(state.key.created_at),
                "name": state.key.name,
                "scopes": state.key.scopes,
                "models": state.key.only_models,
                "expiresAt": time_text(state.key.expires_at),
                "revokedAt": time_text(state.key.revoked_at),
                "lastUsedAt": time_text(state.last_used_at),
            }
            for state in key_states(keys)
        ],
    }


def _announced(user: User) -> dict[str, Any]:
    webhooks = WebhookEndpoint.objects.filter(account_id=user.pk).order_by("created_at")
    messages = WebhookMessage.objects.filter(account_id=user.pk).order_by("created_at")
    codes = RedeemCode.objects.filter(account_id=user.pk).order_by("redeemed_at")
    return {
        "webhooks": [
            {
                "createdAt": time_text(webhook.created_at),
                "url": webhook.url,
                "description": webhook.description,
                "active": webhook.active,
            }
            for webhook in webhooks
        ],
        "announced": [
            {"at": time_text(message.created_at), "what": message.kind, "data": message.payload}
            for message in messages
        ],
        "redeemedCodes": [
            {"at": time_text(code.redeemed_at), "credits": code.batch.worth}
            for code in codes.select_related("batch")
        ],
    }


def chat_settings_of(user: User) -> dict[str, Any]:
    """What the user has decided about chats: instructions, folders, presets and shared links."""
    preferences = ChatPreferences.objects.filter(user=user).first()
    presets = Preset.objects.filter(user=user).order_by("name")
    shares = Share.objects.filter(user=user).order_by("created_at")
    return {
        "instructions": preferences.instructions if preferences else "",
        "folders": list(Folder.objects.filter(user=user).values_list("name", flat=True)),
        "presets": list(presets.values("name", "instructions", "model", "temperature")),
        "shares": [
            {
                "title": share.title,
                "conversation": str(share.conversation_id) if share.conversation_id else None,
                "createdAt": time_text(share.created_at),
                "expiresAt": time_text(share.expires_at),
                "forAnybody": share.for_anybody,
                "views": share.views,
                "state": share.state,
            }
            for share in shares
        ],
    }
