"""What PostgreSQL keeps the rules of the ledger with, by the table that it belongs to."""

ACCOUNT = "credits_account"
USER = "credits_user"
USAGE = "credits_usagehistory"
BALANCE = "credits_creditbalance"
GRANT = "credits_creditgrant"
ALLOCATION = "credits_grantallocation"
HOLD = "credits_hold"
PRICE = "credits_tokenprice"
USE = "credits_use"
AHEAD = "credits_paidahead"
LIMIT = "credits_limit"
ALERT = "credits_limitalert"
SPEND = "credits_spendday"
KEY = "credits_apikey"
OPENS = "credits_apikeysecret"
SETTINGS = "credits_adminsettings"
MODEL = "credits_aimodel"
PROVIDER = "credits_provider"
APPROVAL = "credits_approval"
AUDIT = "credits_auditentry"
CHANGES = "credits_settingschange"
PACK = "credits_pack"
BATCH = "credits_codebatch"
CODE = "credits_redeemcode"

#: What PostgreSQL keeps the rules with. Without one of these the data may still be right, by luck.
TRIGGERS = {
    USER: [
        "account_comes_with_its_user",
        "account_goes_with_its_user",
        "account_keeps_its_user",
        "account_no_truncate",
        "role_noted",
        "role_noted_when_made",
    ],
    ACCOUNT: ["account_opened_by_its_user", "account_stays", "account_no_truncate"],
    USAGE: ["i2_post_row", "i3_usage_append_only", "i3_no_truncate"],
    BALANCE: [
        "i2_balance_by_journal_only",
        "i2_balance_starts_empty",
        "i2_balance_stays",
        "i2_no_truncate",
        "i11_counting_goes_on",
        "i11_counting_begins_with_a_limit",
    ],
    GRANT: [
        "i5_grant_by_journal_only",
        "i5_grant_stays_what_it_was",
        "i5_grant_starts_empty",
        "grant_of_refund_expires",
        "grant_of_item_is_plan_s",
        "i5_grant_comes_with_its_row",
        "i5_grant_stays",
        "i5_no_truncate",
    ],
    ALLOCATION: ["i5_allocation_by_journal_only", "i5_allocation_append_only", "i5_no_truncate"],
    HOLD: [
        "i6_hold_opens_with_its_charge",
        "i6_hold_keeps_its_charge",
        "i6_hold_ends_by_name",
        "i6_no_truncate",
        "i11_count_end",
    ],
    PRICE: ["i8_price_append_only", "i8_price_no_truncate", "i8_price_not_backdated"],
    USE: ["i9_post_use", "i8_use_append_only", "i8_use_no_truncate"],
    AHEAD: ["i10_paid_ahead_by_uses_only", "i10_no_truncate"],
    LIMIT: ["i11_limit_begins_counting"],
    SPEND: ["i11_spend_by_journal_only", "i11_no_truncate"],
    KEY: [
        "i11_key_begins_counting",
        "i12_key_ends_for_good",
        "i12_key_stays_what_it_was",
        "i12_key_stays",
        "i12_no_truncate",
    ],
    OPENS: ["i12_secret_stays_what_it_was"],
    MODEL: ["catalogue_models"],
    PROVIDER: ["catalogue_providers"],
    APPROVAL: ["approval_stays_as_asked", "approval_stays", "approval_no_truncate"],
    AUDIT: ["audit_append_only", "audit_no_truncate"],
    CHANGES: ["settings_change_append_only", "settings_change_no_truncate"],
    BATCH: ["code_batch_stays_as_made", "code_batch_stays", "code_batch_no_truncate"],
    CODE: [
        "code_of_its_batch",
        "code_redeemed_once",
        "code_redeemed_as_allowed",
        "code_stays",
        "code_no_truncate",
    ],
}
CONSTRAINTS = {
    ACCOUNT: ["account_kind_known"],
    PRICE: ["i8_price_whole", "provider_price_whole", "price_max_input"],
    USE: ["i8_tokens_fit", "i9_use_within_reserve"],
    AHEAD: ["i10_paid_ahead_below_one"],
    LIMIT: ["limit_credits", "limit_period_known", "limit_one_scope", "limit_of_member"],
    SPEND: ["i11_spend_not_negative"],
    KEY: ["key_of_member", "api_key_scopes_known"],
    OPENS: ["i12_digest_whole"],
    BALANCE: ["i1_balance_not_negative"],
    GRANT: [
        "grant_amount_positive",
        "i5_grant_remaining_within_amount",
        "i5_expired_grant_is_empty",
    ],
    ALLOCATION: ["allocation_not_zero"],
    SETTINGS: ["admin_settings_one_row", "feature_costs_valid"],
    APPROVAL: [
        "adjustment_delta_or_target",
        "approval_moves_credits",
        "approval_decision_whole",
        "approval_needs_two_admins",
        "approval_not_own_account",
    ],
    AUDIT: ["audit_credits_not_negative", "audit_approved_by_another", "audit_not_own_account"],
    PACK: ["pack_credits_positive"],
    BATCH: [
        "code_batch_bounds",
        "code_batch_approved_by_another",
        "code_batch_export_whole",
        "code_batch_void_whole",
    ],
    CODE: ["code_redeemed_whole"],
}
INDEXES = {
    ACCOUNT: ["credits_account_pkey"],
    USAGE: ["i7_usage_key_once", "i5_grant_posted_once"],
    BALANCE: ["credits_creditbalance_pkey"],
    GRANT: ["credits_creditgrant_key_key"],
    HOLD: ["credits_hold_pkey"],
    USE: ["credits_use_pkey"],
    AHEAD: ["credits_paidahead_pkey"],
    LIMIT: ["limit_once"],
    ALERT: ["limit_alert_once"],
    SPEND: ["credits_spendday_pkey"],
    KEY: ["credits_apikey_pkey", "credits_apikey_public_id_key"],
    OPENS: ["i12_digest_once"],
    APPROVAL: ["approval_asked_once"],
    AUDIT: ["credits_auditentry_usage_id_key"],
    BATCH: ["code_batch_made_once", "credits_codebatch_entry_id_key"],
    CODE: [
        "code_number_once",
        "code_once_per_user",
        "credits_redeemcode_digest_key",
        "credits_redeemcode_grant_id_key",
    ],
}

_GUARDS = [
    f"('{kind}', '{name}', '{table}')"
    for kind, tables in {"trigger": TRIGGERS, "constraint": CONSTRAINTS, "index": INDEXES}.items()
    for table, names in tables.items()
    for name in names
]
#: The guards as a table for SQL: kind, name, the table it belongs to.
GUARDS = f"(VALUES {', '.join(_GUARDS)}) AS guard(kind, name, relation)"
