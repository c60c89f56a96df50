"""All tables of this app, a module for each subject."""

from credits.models.approvals import Approval
from credits.models.audit import AuditEntry
from credits.models.authentication import AuthenticationEvent
from credits.models.catalogue import (
    AdminSettings,
    AIModel,
    CatalogueVersion,
    Plan,
    Provider,
    SettingsChange,
)
from credits.models.clerk import Identity, SessionLink, SyncJob, WebhookDelivery
from credits.models.keys import ApiKey, ApiKeySecret
from credits.models.ledger import CreditBalance, CreditGrant, GrantAllocation, Hold, UsageHistory
from credits.models.limits import Limit, LimitAlert, SpendDay
from credits.models.packs import CodeBatch, Pack, RedeemCode
from credits.models.rollup import ActiveAccount, LedgerCheck, UsageDay, UsageSlice, UseSlice
from credits.models.subscriptions import PayerKind, Payment, Period, SubscriptionItem
from credits.models.tokens import PaidAhead, TokenPrice, Use
from credits.models.users import Account, Membership, RateLimit, Session, SignUp, User
from credits.models.webhooks import WebhookAttempt, WebhookEndpoint, WebhookMessage

__all__ = [
    "AIModel",
    "Account",
    "ActiveAccount",
    "AdminSettings",
    "ApiKey",
    "ApiKeySecret",
    "Approval",
    "AuditEntry",
    "AuthenticationEvent",
    "CatalogueVersion",
    "CodeBatch",
    "CreditBalance",
    "CreditGrant",
    "GrantAllocation",
    "Hold",
    "Identity",
    "LedgerCheck",
    "Limit",
    "LimitAlert",
    "Membership",
    "Pack",
    "PaidAhead",
    "PayerKind",
    "Payment",
    "Period",
    "Plan",
    "Provider",
    "RateLimit",
    "RedeemCode",
    "Session",
    "SessionLink",
    "SettingsChange",
    "SignUp",
    "SpendDay",
    "SubscriptionItem",
    "SyncJob",
    "TokenPrice",
    "UsageDay",
    "UsageHistory",
    "UsageSlice",
    "Use",
    "UseSlice",
    "User",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookMessage",
]
