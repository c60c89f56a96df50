-- What admins did and changed stays known: rows are added and never touched again.
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON credits_auditentry
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Audit', 'the record is append-only');
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON credits_auditentry
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Audit', 'the record is append-only');
CREATE TRIGGER settings_change_append_only BEFORE UPDATE OR DELETE ON credits_settingschange
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Settings', 'the history is append-only');
CREATE TRIGGER settings_change_no_truncate BEFORE TRUNCATE ON credits_settingschange
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Settings', 'the history is append-only');

-- Who becomes an admin, and who is none any more, is on the trail whatever writes it: a command, a
-- shell, a migration.
CREATE FUNCTION credits_note_role() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO credits_authenticationevent (user_id, kind, address, device)
    VALUES (NEW.id, CASE WHEN NEW.is_staff THEN 'became_admin' ELSE 'no_admin' END, '', '');
    RETURN NULL;
END $$;

CREATE TRIGGER role_noted_when_made AFTER INSERT ON credits_user
FOR EACH ROW WHEN (NEW.is_staff) EXECUTE FUNCTION credits_note_role();

CREATE TRIGGER role_noted AFTER UPDATE OF is_staff ON credits_user
FOR EACH ROW WHEN (NEW.is_staff <> OLD.is_staff) EXECUTE FUNCTION credits_note_role();
