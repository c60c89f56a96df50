-- A request stays what it was, and so does its decision. What a second admin confirms is what the
-- first one asked for.
CREATE TRIGGER adjustment_stays_as_asked BEFORE UPDATE ON adminpanel_adjustmentrequest
FOR EACH ROW WHEN (
    OLD.state <> 'pending'
    OR (NEW.id, NEW.account_id, NEW.delta, NEW.target, NEW.balance_then, NEW.reason, NEW.asked_by_id,
        NEW.asked_at, NEW.key)
    IS DISTINCT FROM
       (OLD.id, OLD.account_id, OLD.delta, OLD.target, OLD.balance_then, OLD.reason, OLD.asked_by_id,
        OLD.asked_at, OLD.key)
) EXECUTE FUNCTION credits_refuse('Approval', 'a request stays as asked, a decision is final');
CREATE TRIGGER adjustment_request_stays BEFORE DELETE ON adminpanel_adjustmentrequest
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Approval', 'a request is decided, not deleted');
CREATE TRIGGER adjustment_no_truncate BEFORE TRUNCATE ON adminpanel_adjustmentrequest
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Approval', 'a request is decided, not deleted');
