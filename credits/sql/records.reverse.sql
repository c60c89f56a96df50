DROP TRIGGER approval_no_truncate ON credits_approval;
DROP TRIGGER approval_stays ON credits_approval;
DROP TRIGGER approval_stays_as_asked ON credits_approval;
DROP TRIGGER audit_no_truncate ON credits_auditentry;
DROP TRIGGER audit_append_only ON credits_auditentry;
DROP TRIGGER settings_change_append_only ON credits_settingschange;
DROP TRIGGER settings_change_no_truncate ON credits_settingschange;
