-- Units of a limit that were set aside before they were spent: what a crash must not forget.
CREATE TABLE spent (
  key TEXT NOT NULL,
  at INTEGER NOT NULL,  -- from when on they count, at the latest
  units INTEGER NOT NULL CHECK (units > 0),
  PRIMARY KEY (key, at)
) STRICT, WITHOUT ROWID;
