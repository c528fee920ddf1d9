-- The road's tables: content once, a delivery a recipient, an inbox row a recipient.
-- Times are milliseconds since 1970 UTC. Numbers of classes and states are those of
-- relay.mail.urgency.Urgency and relay.mail.delivery.State; of categories, scopes and actions
-- those of relay/store/codec.py.

CREATE TABLE meta (
  schema_version INTEGER NOT NULL,
  oldest_program INTEGER NOT NULL  -- a program that knows less than this must not open it
) STRICT;

CREATE TABLE domain (
  domain_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE mailbox (
  mailbox_id INTEGER PRIMARY KEY,
  link_id BLOB NOT NULL UNIQUE,  -- 128 random bits
  label TEXT NOT NULL
) STRICT;

CREATE TABLE mailbox_address (
  address TEXT NOT NULL,
  mailbox_id INTEGER NOT NULL REFERENCES mailbox,
  from_at INTEGER NOT NULL,
  until_at INTEGER,
  PRIMARY KEY (address, from_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE body (
  body_id INTEGER PRIMARY KEY,
  size INTEGER NOT NULL,
  bytes BLOB  -- NULL: in parts
) STRICT;

-- Parts 0, 1, … of a large body; parts -1, -2, … of the octets as received (compressed).
CREATE TABLE body_part (
  body_id INTEGER NOT NULL,
  part INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (body_id, part)
) STRICT, WITHOUT ROWID;

-- Letters whose parts are being written: what stands here at start was cut off by a crash.
CREATE TABLE body_begun (body_id INTEGER PRIMARY KEY) STRICT;

CREATE TABLE message (
  message_id INTEGER PRIMARY KEY,
  body_id INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  size INTEGER NOT NULL,
  head BLOB NOT NULL,
  body_hash BLOB NOT NULL,
  sha256 BLOB NOT NULL,  -- as received
  flags INTEGER NOT NULL,  -- 1 body is 8-bit, 2 head holds UTF-8, 4 put as held
  sender TEXT NOT NULL,
  options TEXT,  -- JSON; NULL: none given
  source TEXT NOT NULL,  -- JSON
  class INTEGER NOT NULL CHECK (class BETWEEN 0 AND 3),
  subject TEXT NOT NULL,
  package TEXT,
  deadline_at INTEGER,
  app_user TEXT,
  from_domain TEXT,
  flow TEXT NOT NULL,
  hold_reason TEXT,
  notes TEXT,  -- JSON; NULL: none
  recipients INTEGER NOT NULL,
  legal_hold INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE received_body (
  message_id INTEGER PRIMARY KEY,
  size INTEGER NOT NULL,
  bytes BLOB  -- zlib; NULL: in parts
) STRICT;

-- One row a recipient, for ever: who it was for, and how it ended. A report of ours (DSN) has one
-- too, with no mailbox. While a delivery row exists, that one's state counts.
CREATE TABLE inbox (
  message_id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  mailbox_id INTEGER,
  domain_id INTEGER NOT NULL,
  as_given TEXT NOT NULL,
  address TEXT,  -- what RCPT TO says; NULL: as given
  orcpt TEXT,
  notify TEXT,
  expires_at INTEGER NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 8),
  category INTEGER,
  why TEXT,
  state_at INTEGER NOT NULL,
  read_at INTEGER,
  PRIMARY KEY (message_id, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_page ON inbox (mailbox_id, message_id DESC, n DESC)
  WHERE mailbox_id IS NOT NULL;

-- Unfinished deliveries only.
CREATE TABLE delivery (
  message_id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  mailbox_id INTEGER,
  domain_id INTEGER NOT NULL,
  class INTEGER NOT NULL CHECK (class BETWEEN 0 AND 3),
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
  turn INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  why TEXT,
  category INTEGER,
  state_at INTEGER NOT NULL,
  leased_until INTEGER,
  PRIMARY KEY (message_id, n)
) STRICT, WITHOUT ROWID;
-- With the state in it, the index alone answers: SQLite looks the row up for a WHERE term otherwise.
CREATE INDEX delivery_ready ON delivery (domain_id, class, turn, message_id, n, state)
  WHERE state = 0;
CREATE INDEX delivery_waiting ON delivery (due_at) WHERE state = 1;
CREATE INDEX delivery_leased ON delivery (leased_until) WHERE state = 2;
-- Not partial: a lease then leaves it untouched.
CREATE INDEX delivery_expiry ON delivery (expires_at);
CREATE INDEX delivery_mailbox ON delivery (mailbox_id);

-- sent_form: 0 whole; 1 what stood before the stored head; 2 deflated with the stored head as
-- its dictionary.
CREATE TABLE attempt (
  message_id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  try INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  took_us INTEGER NOT NULL,
  node_id INTEGER NOT NULL,
  source TEXT NOT NULL,
  mx TEXT NOT NULL,
  ip TEXT NOT NULL,
  tls TEXT,
  stage INTEGER NOT NULL,
  code INTEGER,
  enhanced TEXT,
  text TEXT,
  reply_stage INTEGER,
  failure TEXT,
  failure_text TEXT,
  failure_stage INTEGER,
  category INTEGER,
  scope INTEGER,
  action INTEGER,
  rule TEXT,
  confidence REAL,
  route_key TEXT NOT NULL,
  sent_form INTEGER,
  sent_head BLOB,
  sent_sha256 BLOB,
  PRIMARY KEY (message_id, n, try)
) STRICT, WITHOUT ROWID;

CREATE TABLE shaping (
  key TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  saved_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
  audit_id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  reason TEXT NOT NULL,
  before_after TEXT NOT NULL
) STRICT;

CREATE TABLE user_account (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  secret TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE used_link (
  jti BLOB PRIMARY KEY,
  used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What follows refuses what relay.mail.delivery.TRANSITIONS refuses; a test compares both.
CREATE TRIGGER delivery_step BEFORE UPDATE OF state ON delivery
WHEN NOT CASE OLD.state
  WHEN 0 THEN NEW.state IN (1, 2, 3)
  WHEN 1 THEN NEW.state IN (0, 3)
  WHEN 2 THEN NEW.state IN (0, 1, 3)
  WHEN 3 THEN NEW.state IN (0)
  ELSE 0 END
BEGIN SELECT raise(ABORT, 'no such step of a delivery'); END;

-- The end is written here, while the delivery row still stands.
CREATE TRIGGER inbox_step BEFORE UPDATE OF state ON inbox
WHEN NOT CASE coalesce(
    (SELECT d.state FROM delivery d WHERE d.message_id = OLD.message_id AND d.n = OLD.n), OLD.state)
  WHEN 0 THEN NEW.state IN (1, 2, 3, 5, 6, 7, 8)
  WHEN 1 THEN NEW.state IN (0, 3, 6, 7, 8)
  WHEN 2 THEN NEW.state IN (0, 1, 3, 4, 5, 6, 7, 8)
  WHEN 3 THEN NEW.state IN (0, 6, 8)
  WHEN 5 THEN NEW.state IN (0)
  WHEN 6 THEN NEW.state IN (0)
  WHEN 7 THEN NEW.state IN (0)
  WHEN 8 THEN NEW.state IN (0)
  ELSE 0 END
BEGIN SELECT raise(ABORT, 'no such step of a delivery'); END;

-- A delivery leaves the queue only after its end was written down.
CREATE TRIGGER delivery_end BEFORE DELETE ON delivery
WHEN coalesce((SELECT i.state FROM inbox i
  WHERE i.message_id = OLD.message_id AND i.n = OLD.n), 0) < 4
BEGIN SELECT raise(ABORT, 'a delivery without an end must not leave the queue'); END;

CREATE TRIGGER attempt_kept BEFORE UPDATE ON attempt
BEGIN SELECT raise(ABORT, 'an attempt is never changed'); END;
CREATE TRIGGER attempt_stays BEFORE DELETE ON attempt
BEGIN SELECT raise(ABORT, 'an attempt is never removed'); END;
