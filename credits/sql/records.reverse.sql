DROP TRIGGER role_noted ON credits_user;
DROP TRIGGER role_noted_when_made ON credits_user;
DROP FUNCTION credits_note_role();
DROP TRIGGER audit_no_truncate ON credits_auditentry;
DROP TRIGGER audit_append_only ON credits_auditentry;
DROP TRIGGER settings_change_append_only ON credits_settingschange;
DROP TRIGGER settings_change_no_truncate ON credits_settingschange;
