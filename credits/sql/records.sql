-- What admins did and changed stays known: rows are added and never touched again.
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON credits_auditentry
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Audit', 'the record is append-only');
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON credits_auditentry
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Audit', 'the record is append-only');
CREATE TRIGGER settings_change_append_only BEFORE UPDATE OR DELETE ON credits_settingschange
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Settings', 'the history is append-only');
CREATE TRIGGER settings_change_no_truncate BEFORE TRUNCATE ON credits_settingschange
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Settings', 'the history is append-only');
