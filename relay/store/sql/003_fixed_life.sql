-- A delivery's life ends at a fixed moment, or only time in which it may be tried counts.
ALTER TABLE delivery ADD COLUMN is_fixed INTEGER NOT NULL DEFAULT 0 CHECK (is_fixed IN (0, 1));
UPDATE delivery SET is_fixed = 1 WHERE class = 0 OR (class IN (1, 3) AND EXISTS (
  SELECT 1 FROM message m WHERE m.message_id = delivery.message_id AND m.deadline_at IS NOT NULL));
-- Only those that may be over by themselves: one that stands ready behind a pause of days is none,
-- and must not be looked at each second. A lease leaves it untouched.
DROP INDEX delivery_expiry;
CREATE INDEX delivery_expiry ON delivery (expires_at) WHERE is_fixed = 1 OR due_at >= expires_at;
-- The earliest deadline first: relay/store/turns.py says how a turn is made.
UPDATE delivery SET turn = -(1 << 58) + (max(0, min(m.deadline_at / 60000, (1 << 33) - 1)) << 24)
    + min(delivery.turn, (1 << 24) - 1)
  FROM message m WHERE m.message_id = delivery.message_id AND m.deadline_at IS NOT NULL;
