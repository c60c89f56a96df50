"""All tables of this app, a module for each subject."""

from credits.models.accounts import Account
from credits.models.audit import AuditEntry
from credits.models.catalogue import AdminSettings, Plan, SettingsChange
from credits.models.ledger import CreditBalance, CreditGrant, GrantAllocation, Hold, UsageHistory
from credits.models.rate_limits import RateLimit
from credits.models.rollup import ActiveAccount, LedgerCheck, UsageDay, UsageSlice
from credits.models.sessions import Session
from credits.models.users import User, UserManager

__all__ = [
    "Account",
    "ActiveAccount",
    "AdminSettings",
    "AuditEntry",
    "CreditBalance",
    "CreditGrant",
    "GrantAllocation",
    "Hold",
    "LedgerCheck",
    "Plan",
    "RateLimit",
    "Session",
    "SettingsChange",
    "UsageDay",
    "UsageHistory",
    "UsageSlice",
    "User",
    "UserManager",
]
