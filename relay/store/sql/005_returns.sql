-- What is said of a delivery after a server took it. kind: 1 failed, 2 complaint, 3 delayed,
-- 4 expanded, 5 relayed, 6 delivered, 7 feedback (relay/store/returning.py). Of each kind the first.
CREATE TABLE late_report (
  message_id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 7),
  at INTEGER NOT NULL,
  category INTEGER,
  rule TEXT NOT NULL,
  text TEXT NOT NULL,
  named TEXT NOT NULL,
  reporter TEXT NOT NULL,
  PRIMARY KEY (message_id, n, kind)
) STRICT, WITHOUT ROWID;

-- Letters to the return path's door that no program could read.
CREATE TABLE kept_return (
  kept_id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  client TEXT NOT NULL,
  sender TEXT NOT NULL,
  recipient TEXT NOT NULL,
  subject TEXT NOT NULL,
  why TEXT NOT NULL,
  size INTEGER NOT NULL,
  letter BLOB NOT NULL
) STRICT;
CREATE INDEX kept_return_size ON kept_return (size);
