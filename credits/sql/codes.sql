-- Redeem codes: a batch stays as it was made, and a code is redeemed once, by whom and while its
-- batch allows it, together with its grant.

CREATE TRIGGER code_batch_stays_as_made BEFORE UPDATE ON credits_codebatch
FOR EACH ROW WHEN (
    OLD.voided_at IS NOT NULL
    OR (NEW.id, NEW.pack_id, NEW.worth, NEW.count, NEW.expires_at, NEW.once_per_user, NEW.note, NEW.key,
        NEW.made_by_id, NEW.approved_by_id, NEW.entry_id, NEW.made_at)
    IS DISTINCT FROM
       (OLD.id, OLD.pack_id, OLD.worth, OLD.count, OLD.expires_at, OLD.once_per_user, OLD.note, OLD.key,
        OLD.made_by_id, OLD.approved_by_id, OLD.entry_id, OLD.made_at)
) EXECUTE FUNCTION credits_refuse('Codes', 'a batch stays as it was made, and void once it is');
CREATE TRIGGER code_batch_stays BEFORE DELETE ON credits_codebatch
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Codes', 'a batch is made void, not deleted');
CREATE TRIGGER code_batch_no_truncate BEFORE TRUNCATE ON credits_codebatch
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Codes', 'a batch is made void, not deleted');
CREATE TRIGGER code_stays BEFORE DELETE ON credits_redeemcode
FOR EACH ROW EXECUTE FUNCTION credits_refuse('Codes', 'a code stays with its batch');
CREATE TRIGGER code_no_truncate BEFORE TRUNCATE ON credits_redeemcode
FOR EACH STATEMENT EXECUTE FUNCTION credits_refuse('Codes', 'a code stays with its batch');
-- Redeemed once and for good; a code that is not redeemed may only get another digest, or be it.
CREATE TRIGGER code_redeemed_once BEFORE UPDATE ON credits_redeemcode
FOR EACH ROW WHEN (
    OLD.redeemed_at IS NOT NULL
    OR (NEW.id, NEW.batch_id, NEW.number, NEW.once_per_user)
    IS DISTINCT FROM (OLD.id, OLD.batch_id, OLD.number, OLD.once_per_user)
) EXECUTE FUNCTION credits_refuse('Codes', 'a code is redeemed once, and keeps its place');

-- A new code is one of those that its batch was made for, and redeemed by nobody.
CREATE FUNCTION credits_check_new_code() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW.account_id IS NOT NULL OR NOT EXISTS (
        SELECT FROM credits_codebatch b WHERE b.id = NEW.batch_id
            AND NEW.number BETWEEN 1 AND b.count AND b.once_per_user = NEW.once_per_user)
    THEN
        RAISE EXCEPTION 'Codes: batch % was made for no such code', NEW.batch_id
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER code_of_its_batch BEFORE INSERT ON credits_redeemcode
FOR EACH ROW EXECUTE FUNCTION credits_check_new_code();

-- It is redeemed while its batch is open, by none of those who know its codes, and by a grant of its
-- worth to the same account. The batch's row is locked: it is not made void meanwhile.
CREATE FUNCTION credits_check_redeemed() RETURNS trigger LANGUAGE plpgsql
AS $$
DECLARE
    batch credits_codebatch;
BEGIN
    SELECT * INTO batch FROM credits_codebatch b WHERE b.id = NEW.batch_id FOR SHARE;
    IF batch.voided_at IS NOT NULL OR batch.exported_at IS NULL
        OR batch.expires_at <= credits_now()
        OR NEW.account_id IN (batch.made_by_id, batch.approved_by_id, batch.exported_by_id)
        OR NOT EXISTS (
            SELECT FROM credits_creditgrant g WHERE g.id = NEW.grant_id
                AND g.account_id = NEW.account_id AND g.source = 'pack'
                AND g.amount = batch.worth AND g.key = format('code:%s', NEW.id))
    THEN
        RAISE EXCEPTION 'Codes: code % of batch % cannot be redeemed so', NEW.number, NEW.batch_id
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER code_redeemed_as_allowed BEFORE UPDATE ON credits_redeemcode
FOR EACH ROW WHEN (OLD.account_id IS NULL AND NEW.account_id IS NOT NULL)
EXECUTE FUNCTION credits_check_redeemed();
