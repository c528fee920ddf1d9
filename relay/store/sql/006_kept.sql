-- What failed is found without a look at what arrived.
CREATE INDEX inbox_failed ON inbox (message_id, n) WHERE state IN (5, 6, 7);

-- Whatever clears the store later: what failed stays for 30 days, and so does what is referred to.
-- A body and what was received have their letter's number.
CREATE TRIGGER failed_stays BEFORE DELETE ON inbox
WHEN OLD.state IN (5, 6, 7)
  AND OLD.state_at > (CAST(strftime('%s', 'now') AS INTEGER) - 2592000) * 1000
BEGIN SELECT raise(ABORT, 'what failed is kept for 30 days'); END;
CREATE TRIGGER message_stays BEFORE DELETE ON message
WHEN EXISTS (SELECT 1 FROM inbox i WHERE i.message_id = OLD.message_id)
BEGIN SELECT raise(ABORT, 'a letter that an inbox holds is not removed'); END;
CREATE TRIGGER body_stays BEFORE DELETE ON body
WHEN EXISTS (SELECT 1 FROM message m WHERE m.message_id = OLD.body_id)
BEGIN SELECT raise(ABORT, 'the body of a letter is not removed before it'); END;
CREATE TRIGGER body_part_stays BEFORE DELETE ON body_part
WHEN EXISTS (SELECT 1 FROM message m WHERE m.message_id = OLD.body_id)
BEGIN SELECT raise(ABORT, 'the body of a letter is not removed before it'); END;
CREATE TRIGGER received_body_stays BEFORE DELETE ON received_body
WHEN EXISTS (SELECT 1 FROM message m WHERE m.message_id = OLD.message_id)
BEGIN SELECT raise(ABORT, 'the body of a letter is not removed before it'); END;

-- Failures that their sender is not told of yet: they wait for the day's digest.
CREATE TABLE owed (
  message_id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (message_id, n)
) STRICT, WITHOUT ROWID;

-- What a trusted client was refused after DATA. Its octets stand in parts, deflated as one stream.
CREATE TABLE refused (
  refused_id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  times INTEGER NOT NULL,  -- the same letter, handed in again and again
  source TEXT NOT NULL,  -- JSON
  sender TEXT NOT NULL,
  recipients TEXT NOT NULL,  -- JSON: as given, the first few
  recipient_count INTEGER NOT NULL,
  subject TEXT NOT NULL,
  code INTEGER NOT NULL,
  reply TEXT NOT NULL,
  reason TEXT NOT NULL,
  size INTEGER NOT NULL,  -- as received
  stored INTEGER NOT NULL,  -- octets of the parts
  is_whole INTEGER NOT NULL CHECK (is_whole IN (0, 1)),
  sha256 BLOB NOT NULL
) STRICT;
CREATE INDEX refused_sha256 ON refused (sha256);
CREATE TABLE refused_part (
  refused_id INTEGER NOT NULL,
  part INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (refused_id, part)
) STRICT, WITHOUT ROWID;
