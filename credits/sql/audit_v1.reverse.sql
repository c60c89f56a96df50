DROP TRIGGER audit_no_truncate ON credits_auditentry;
DROP TRIGGER audit_append_only ON credits_auditentry;
