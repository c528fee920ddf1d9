"""A shelf of letters in memory, the notice's inbox on it, and a clock that is turned by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Attempt, Delivery, State
from relay.mail.instant import DAY, HOUR, MINUTE, Instant
from relay.mail.late import Late
from relay.mail.reply import Stage, parse
from relay.mail.strike import Ref, Resent
from relay.mail.urgency import Urgency
from relay.store.base import InboxRow, Mailbox, QueueRow

NOW = 1_317_712_260_000  # 4 Okt 2011 14:11 WIB
ADDRESS = "a.rekanan1@example.co.id"
LINK_ID = bytes(range(16))
OTHER_LINK_ID = bytes(range(16, 32))
KEY = b"k" * 32


@dataclass
class HandClock:
    """Stands still until it is turned."""

    at: Instant = NOW

    def now(self) -> Instant:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000


@dataclass
class Shelf:
    """What the pages ask of a store."""

    mailboxes: list[Mailbox] = field(default_factory=list)
    rows: dict[int, list[InboxRow]] = field(default_factory=dict)
    letters: dict[int, bytes] = field(default_factory=dict)
    tried: dict[tuple[int, int], list[Attempt]] = field(default_factory=dict)
    queue: dict[tuple[int, int], QueueRow] = field(default_factory=dict)
    used: set[bytes] = field(default_factory=set)
    audited: list[tuple[str, str, str]] = field(default_factory=list)
    resent: list[tuple[str, Ref, int, int, str]] = field(default_factory=list)
    resends: Resent = "again"
    late: list[Late] = field(default_factory=list)

    def add(self, mailbox: Mailbox, row: InboxRow, letter: bytes) -> None:
        if mailbox not in self.mailboxes:
            self.mailboxes.append(mailbox)
        self.rows.setdefault(mailbox.id, []).append(row)
        self.letters[row.message_id] = letter

    async def mailbox(self, address: str) -> Mailbox | None:
        return next((m for m in self.mailboxes if m.label == address), None)

    async def mailbox_by_link(self, link_id: bytes) -> Mailbox | None:
        return next((m for m in self.mailboxes if m.link_id == link_id), None)

    async def accepted_before(self, address: str) -> bool:
        return False

    async def page(
        self,
        mailbox_id: int,
        limit: int = 25,
        before: tuple[int, int] | None = None,
        only_unread: bool = False,
        search: str = "",
    ) -> list[InboxRow]:
        found = [
            row
            for row in sorted(self.rows.get(mailbox_id, []), key=lambda r: (-r.message_id, -r.n))
            if (before is None or (row.message_id, row.n) < before)
            and not (only_unread and row.read_at)
            and search.lower() in f"{row.subject} {row.package}".lower()
        ]
        return found[:limit]

    async def inbox_count(self, mailbox_id: int, only_unread: bool = False) -> int:
        return sum(not (only_unread and r.read_at) for r in self.rows.get(mailbox_id, []))

    async def inbox_row(self, mailbox_id: int, message_id: int, n: int) -> InboxRow | None:
        rows = self.rows.get(mailbox_id, [])
        return next((r for r in rows if (r.message_id, r.n) == (message_id, n)), None)

    async def original(self, message_id: int) -> bytes:
        return self.letters[message_id]

    async def mark_read(self, mailbox_id: int, message_id: int, n: int, now: Instant) -> None:
        rows = self.rows[mailbox_id]
        for at, row in enumerate(rows):
            if (row.message_id, row.n) == (message_id, n) and row.read_at is None:
                rows[at] = replace(row, read_at=now)

    async def use_link(self, jti: bytes, now: Instant) -> bool:
        is_first = jti not in self.used
        self.used.add(jti)
        return is_first

    async def inbox_rows(self) -> int:
        return sum(map(len, self.rows.values()))

    async def find(self, message_id: int, n: int | None = None) -> list[QueueRow]:
        return [row for key, row in self.queue.items() if key == (message_id, n)]

    async def attempts(self, message_id: int, n: int) -> list[Attempt]:
        return self.tried.get((message_id, n), [])

    async def late_reports(self, refs: Sequence[tuple[int, int]]) -> list[Late]:
        return [one for one in self.late if (one.message_id, one.n) in refs]

    async def resend(
        self, address: str, ref: Ref, most: int, since: Instant, who: str, now: Instant
    ) -> Resent:
        self.resent.append((address, ref, most, now - since, who))
        return self.resends

    async def audit(
        self, who: str, action: str, subject: str, reason: str, now: Instant, detail: str = ""
    ) -> None:
        self.audited.append((who, action, subject))


def message_id(at: Instant, sequence: int = 0) -> int:
    return at << 20 | sequence


def row(
    subject: str,
    at: Instant = NOW,
    state: State = State.DELIVERED,
    category: Category | None = None,
    sequence: int = 0,
    **more: object,
) -> InboxRow:
    made = InboxRow(
        message_id(at, sequence),
        0,
        ADDRESS,
        subject,
        "lpse@lpse.example.go.id",
        Urgency.TRANSAKSI,
        state,
        category,
        at + 4000,
        None,
        at,
        None,
        None,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def attempt(
    made: InboxRow, text: str, stage: Stage = Stage.EOD, category: Category | None = None
) -> Attempt:
    classification = None
    if category is not None:
        classification = Classification(category, Scope.RECIPIENT, Action.BOUNCE_ADDRESS, "a.rule")
    return Attempt(
        made.message_id,
        made.n,
        1,
        made.received_at + 900,
        80_000,
        "192.0.2.1",
        "mta7.example.net",
        "198.51.100.7",
        "TLSv1.3",
        stage,
        parse(text, stage),
        None,
        classification,
    )


def waiting(made: InboxRow, tries: int, due_at: Instant, why: str = "") -> QueueRow:
    delivery = Delivery(
        made.message_id, made.n, made.as_given, 1, "example.co.id", made.urgency, made.state,
        due_at, made.received_at + 5 * DAY, tries, why=why,
    )  # fmt: skip
    return QueueRow(delivery, made.sender, made.subject, made.category, None, made.received_at)


CANCELLED = """\
From: "LPSE Provinsi Contoh" <lpse@lpse.example.go.id>\r
To: a.rekanan1@example.co.id\r
Subject: LPSE Pengumuman Pembatalan Lelang\r
Date: Wed, 28 Sep 2011 09:16:00 +0700\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="luar"\r
\r
--luar\r
Content-Type: multipart/alternative; boundary="dalam"\r
\r
--dalam\r
Content-Type: text/plain; charset=utf-8\r
\r
Kepada Yth. Pemilik email a.rekanan1@example.co.id di Tempat\r
--dalam\r
Content-Type: text/html; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
<p>Kepada Yth.<br>Pemilik email <b>a.rekanan1@example.co.id</b><br>di Tempat</p>=\r
<p>Sebelumnya kami mengucapkan terima kasih atas partisipasi Bapak/Ibu mengik=\r
uti pelelangan yang diselenggarakan. Terhadap paket pengadaan di bawah ini tel=\r
ah dilakukan pembatalan:</p><table border=3D"1" cellpadding=3D"6" style=3D"bor=\r
der-collapse:collapse"><tr><th>ID Lelang</th><th>Nama Paket</th><th>Alasan</th=\r
></tr><tr><td>000000</td><td>Perbaikan gedung</td><td>tidak ada peserta yang m=\r
emasukkan dokumen penawaran.</td></tr></table><p>Hormat kami,<br>Pengelola LPS=\r
E</p><img src=3D"http://tracker.example.net/p.gif">\r
--dalam--\r
--luar\r
Content-Type: application/pdf\r
Content-Disposition: attachment; filename*=utf-8''Surat%20Pembatalan%20%E2%80%93%20Paket.pdf\r
Content-Transfer-Encoding: base64\r
\r
JVBERi0xLjQK\r
--luar--\r
"""


def text_letter(subject: str, body: str) -> bytes:
    head = f"From: lpse@lpse.example.go.id\r\nTo: {ADDRESS}\r\nSubject: {subject}\r\n\r\n"
    return (head + body).encode()


INVITATION = """Kepada Yth.\r
Pemilik email a.rekanan1@example.co.id\r
di Tempat\r
\r
Dengan ini kami mengundang Bapak/Ibu untuk mengikuti pembuktian kualifikasi pada\r
tanggal 05-10-2011 pukul 09:00 s.d. 15:30 WIB.\r
\r
Hormat kami,\r
Pengelola LPSE\r
"""


def notice_shelf() -> Shelf:
    """An inbox like the notice's: 30 letters, each state among the first ones."""
    shelf = Shelf()
    mine = Mailbox(1, LINK_ID, ADDRESS)
    shelf.add(
        Mailbox(2, OTHER_LINK_ID, "rival@example.com"),
        row("Surat untuk perusahaan lain", NOW - DAY, sequence=99),
        text_letter("Surat untuk perusahaan lain", "rahasia"),
    )
    invitation = row(
        "Undangan Pembuktian Kualifikasi", NOW - MINUTE, State.WAITING, Category.MAILBOX_FULL,
        deadline_at=NOW + 25 * HOUR + 19 * MINUTE, package="1234567",
    )  # fmt: skip
    shelf.add(mine, invitation, text_letter(invitation.subject, INVITATION))
    shelf.queue[invitation.message_id, 0] = waiting(invitation, 3, NOW + HOUR)
    full = "452 4.2.2 The email account that you tried to reach is over quota"
    shelf.tried[invitation.message_id, 0] = [
        attempt(invitation, full, Stage.RCPT, Category.MAILBOX_FULL)
    ]
    states: Sequence[tuple[str, State, Category | None]] = [
        ("LPSE Pengumuman Penawang Lelang", State.DELIVERED, None),
        ("LPSE Pengumuman Penawang Lelang", State.BOUNCED, Category.UNKNOWN_USER),
        ("LPSE Pengumuman Penawang Lelang", State.WAITING, Category.RATE_LIMITED),
        ("LPSE Unggah (upload) Dokumen Penawaran", State.READY, None),
        ("LPSE Pengumuman Pembatalan Lelang", State.BOUNCED, Category.SENDER_BLOCKED),
        ("LPSE Pengumuman Pembatalan Lelang", State.HELD, None),
        ("LPSE Pengumuman Penawang Lelang", State.EXPIRED, Category.NETWORK),
    ]
    for n in range(29):
        subject, state, category = states[n] if n < len(states) else states[0]
        at = NOW - 5 * MINUTE - n * HOUR
        made = row(subject, at, state, category, n, read_at=None if n < 4 else at + HOUR)
        shelf.add(mine, made, CANCELLED.encode())
        if state is State.BOUNCED and category is not None:
            said = "554 delivery error: dd This user doesn't have a yahoo.com account <b>[0]</b>"
            shelf.tried[made.message_id, 0] = [attempt(made, said, category=category)]
        elif state is State.DELIVERED:
            shelf.tried[made.message_id, 0] = [attempt(made, "250 2.0.0 OK 1317712260 x9si")]
    return shelf
