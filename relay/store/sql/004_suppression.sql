-- What speaks against an address. cause: 1 unknown_user, 2 inactive_user, 3 mailbox_full,
-- 4 complaint; source: 1 reply, 2 late, 3 complaint (relay/store/striking.py).
CREATE TABLE strike (
  address TEXT NOT NULL,
  at INTEGER NOT NULL,
  message_id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  cause INTEGER NOT NULL CHECK (cause BETWEEN 1 AND 4),
  source INTEGER NOT NULL CHECK (source BETWEEN 1 AND 3),
  rule TEXT NOT NULL,
  is_documented INTEGER NOT NULL CHECK (is_documented IN (0, 1)),
  route_key TEXT NOT NULL,
  pending TEXT,  -- the fuse that was blown; NULL: in force
  healed_at INTEGER,  -- NULL: it counts
  PRIMARY KEY (address, at, message_id, n, cause, source)
) STRICT, WITHOUT ROWID;
-- A late report or a complaint may come twice; it is the same one.
CREATE UNIQUE INDEX strike_once ON strike (message_id, n, cause, source) WHERE source <> 1;
CREATE INDEX strike_said ON strike (route_key, at) WHERE source = 1 AND healed_at IS NULL;
CREATE INDEX strike_pending ON strike (pending) WHERE pending IS NOT NULL;

-- What a person put on the list.
CREATE TABLE suppression (
  address TEXT PRIMARY KEY,
  cause INTEGER CHECK (cause BETWEEN 1 AND 4),
  reason TEXT NOT NULL,
  who TEXT NOT NULL,
  at INTEGER NOT NULL,
  until_at INTEGER  -- NULL: for ever
) STRICT, WITHOUT ROWID;

-- Letters that an address' owner asked for again.
CREATE TABLE resent (
  address TEXT NOT NULL,
  at INTEGER NOT NULL,
  message_id INTEGER NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (address, at, message_id, n)
) STRICT, WITHOUT ROWID;
