-- What admins did and changed stays known: rows are added and never touched again.
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON credits_auditentry
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Audit', 'the record is append-only');
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON credits_auditentry
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Audit', 'the record is append-only');
CREATE TRIGGER settings_change_append_only BEFORE UPDATE OR DELETE ON credits_settingschange
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Settings', 'the history is append-only');
CREATE TRIGGER settings_change_no_truncate BEFORE TRUNCATE ON credits_settingschange
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Settings', 'the history is append-only');
-- A request for a second admin stays what it was, and so does its decision. What is approved is what
-- was asked for.
CREATE TRIGGER approval_stays_as_asked BEFORE UPDATE ON credits_approval
FOR EACH ROW WHEN (
    OLD.state <> 'pending'
    OR (NEW.id, NEW.kind, NEW.account_id, NEW.delta, NEW.target, NEW.balance_then, NEW.arguments,
        NEW.effects, NEW.credits, NEW.moved_before, NEW.reason, NEW.asked_by_id, NEW.asked_at, NEW.key)
    IS DISTINCT FROM
       (OLD.id, OLD.kind, OLD.account_id, OLD.delta, OLD.target, OLD.balance_then, OLD.arguments,
        OLD.effects, OLD.credits, OLD.moved_before, OLD.reason, OLD.asked_by_id, OLD.asked_at, OLD.key)
) EXECUTE FUNCTION credits_refuse('Approval', 'a request stays as asked, a decision is final');
CREATE TRIGGER approval_stays BEFORE DELETE ON credits_approval
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Approval', 'a request is decided, not deleted');
CREATE TRIGGER approval_no_truncate BEFORE TRUNCATE ON credits_approval
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Approval', 'a request is decided, not deleted');

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
