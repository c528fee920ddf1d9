-- How far the LPSE is with an address that letters fail at. progress: 0 baru, 1 sudah dihubungi,
-- 2 menunggu surat, 3 selesai (relay/store/reporting.py). Who changed it before stands in audit.
CREATE TABLE follow_up (
  address TEXT PRIMARY KEY,
  progress INTEGER NOT NULL CHECK (progress BETWEEN 0 AND 3),
  note TEXT NOT NULL,
  who TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
