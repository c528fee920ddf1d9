"""Classes, package numbers and deadlines; the notice's sixteen subjects."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.filters.classes import Classes
from relay.filters.deadline import deadline, package
from relay.filters.pipeline import Pipeline, Step
from relay.filters.rules import of_site, shipped
from relay.filters.settings import ClassRuleSettings
from relay.filters.text import words
from relay.mail.envelope import Particulars
from relay.mail.instant import from_iso
from relay.strict_yaml import SourceError
from tests.filters.letters import NOW, RULES, Alerts, head, transaction

NOTICE = [
    *["LPSE Pengumuman Penawang Lelang"] * 3,
    "LPSE Unggah (upload) Dokumen Penawaran",
    *["LPSE Pengumuman Pembatalan Lelang"] * 2,
    *["LPSE Pengumuman Penawang Lelang"] * 4,
    "LPSE Unggah (upload) Dokumen Penawaran",
    *["LPSE Pengumuman Penawang Lelang"] * 3,
    "LPSE Unggah (upload) Dokumen Penawaran",
    "LPSE Pengumuman Penawang Lelang",
]


async def read(
    letter: str,
    user: str | None = None,
    site: tuple[ClassRuleSettings, ...] = (),
    zone: str = "WIB",
) -> Particulars:
    made = transaction(letter, user=user)
    classes = Classes((*of_site(site), *RULES), zone)
    assert await Pipeline([Step("classes", classes)], Alerts()).data(made) is None
    assert made.headers is not None and made.headers.get("X-LPSE-Class") is None
    return made.particulars


async def test_the_notices_sixteen_subjects() -> None:
    assert len(NOTICE) == 16
    for subject in NOTICE:
        expected = "transaksi" if "Unggah" in subject else "mendesak"
        assert (await read(head(subject))).urgency.word == expected
        assert (await read(head(subject))).subject == subject


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("LPSE Konfirmasi Pendaftaran", "kritis"),
        ("[SPSE] Atur Ulang Password", "kritis"),
        ("Perubahan email penyedia", "kritis"),
        ("Undangan Klarifikasi dan Negosiasi", "mendesak"),
        ("PERUBAHAN JADWAL TENDER 12345", "mendesak"),
        ("Pengumuman Pemenang Tender", "mendesak"),
        ("Pengumuman Tender Ulang", "mendesak"),
        ("Pengumuman Lelang Gagal", "mendesak"),
        ("Jawaban Penjelasan Dokumen", "transaksi"),
        ("(LPSE) Pengumuman Delegasi Pokja", "transaksi"),
        ("Jawaban sanggah", "transaksi"),
        ("LPSE Pengumuman Tender", "massal"),
        ("Pengumuman Lelang Pembangunan Gedung", "massal"),
        ("=?utf-8?q?Pengumuman_Lelang?=", "massal"),
        ("Halo", "transaksi"),
        ("", "transaksi"),
    ],
)
async def test_classes_by_subject(subject: str, expected: str) -> None:
    assert (await read(head(subject))).urgency.word == expected


async def test_the_application_s_own_word_comes_first() -> None:
    letter = head("LPSE Pengumuman Penawang Lelang", "X-LPSE-Class: Massal\n")
    assert (await read(letter)).urgency.word == "massal"
    letter = head("LPSE Pengumuman Penawang Lelang", "X-LPSE-Class: segera\n")
    assert (await read(letter)).urgency.word == "mendesak"


async def test_priority_headers_where_the_subject_says_nothing() -> None:
    assert (await read(head("x", "X-Priority: 1 (Highest)\n"))).urgency.word == "mendesak"
    assert (await read(head("x", "X-Priority: 3\n"))).urgency.word == "transaksi"
    assert (await read(head("x", "Precedence: bulk\n"))).urgency.word == "massal"
    letter = head("Pengumuman Lelang", "X-Priority: 1\n")
    assert (await read(letter)).urgency.word == "massal"


def rule(urgency: str, **conditions: str) -> ClassRuleSettings:
    return ClassRuleSettings.model_validate({"class": urgency, **conditions})


async def test_a_site_s_rules_come_before_the_shipped_ones() -> None:
    site = (
        rule("kritis", subject="penawang", user="spse"),
        rule("massal", header="X-Mailer: ^SPSE 3"),
    )
    subject = "LPSE Pengumuman Penawang Lelang"
    assert (await read(head(subject), user="spse", site=site)).urgency.word == "kritis"
    assert (await read(head(subject), user="other", site=site)).urgency.word == "mendesak"
    mailer = head(subject, "X-Mailer: spse 3.5\n")
    assert (await read(mailer, site=site)).urgency.word == "massal"


def test_faulty_rules_of_a_site_are_all_named() -> None:
    with pytest.raises(SourceError) as error:
        of_site((rule("kritis"), rule("kritis", subject="("), rule("massal", header="nothing")))
    assert [p.key for p in error.value.problems] == ["classes[0]", "classes[1]", "classes[2]"]
    assert "needs a subject" in str(error.value) and "RE2" in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules: []", "no rule"),
        ("rules:\n  - class: segera\n    subject: x", "unknown class 'segera'"),
        ("rules:\n  - class: massal", "needs a subject or a header"),
        ("rules:\n  - class: massal\n    subject: '('", "no RE2 pattern"),
        ("rules:\n  - class: massal\n    subject: '(a{900}){1000}'", "RE2 pattern"),
        ("rules:\n  - {class: massal, subject: a, samples: [b]}", "'b' gets no class, not massal"),
        ("rules:\n  - {class: massal, subject: a, pattern: b}", "unknown key"),
        ("rules:\n  - text", "a rule is a mapping"),
        ("rules:\n  - {class: massal, subject: 'x{900}y{900}z{900}'}", "too expensive"),
    ],
)
def test_a_faulty_rules_file_says_where(text: str, words: str) -> None:
    with pytest.raises(SourceError, match=r"classes\.yaml:\d") as error:
        shipped(text)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID Lelang: 123456", "123456"),
        ("ID Lelang Nama Paket Alasan 000000 Perbaikan surat", "000000"),
        ("kode tender : 12345013", "12345013"),
        ("Kode Paket 987654321", "987654321"),
        ("Kode RUP = 44556677", "44556677"),
        ("lelang 123456", None),
        ("ID Lelang: 12", None),
        ("", None),
    ],
)
def test_package_numbers(text: str, expected: str | None) -> None:
    assert package(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sampai 05-10-2011 14:00", "2011-10-05T07:00:00Z"),
        ("sampai 05-10-2011 14:00 WIB", "2011-10-05T07:00:00Z"),
        ("sampai 05-10-2011 14:00 WITA", "2011-10-05T06:00:00Z"),
        ("sampai 05-10-2011 14:00 WIT", "2011-10-05T05:00:00Z"),
        ("sampai dengan tanggal 5/10/2011 jam 16.30 wib", "2011-10-05T09:30:00Z"),
        ("paling lambat hari Rabu, 5 Oktober 2011 pukul 14.00", "2011-10-05T07:00:00Z"),
        ("s.d. 5 Okt 2011 24:00 WIB", "2011-10-05T16:59:00Z"),
        ("s/d 2011-10-05 08:15:30", "2011-10-05T01:15:00Z"),
        ("batas akhir: 6 Nopember 2011", "2011-11-06T16:59:00Z"),
        ("dari 01-10-2011 08:00 sampai 06-10-2011 12:00", "2011-10-06T05:00:00Z"),
        ("sampai 01-10-2011 08:00, sampai 07-10-2011 08:00", "2011-10-07T01:00:00Z"),
        (
            "batas akhir dari 3 Oktober 2011 10:00 menjadi 8 Oktober 2011 10:00",
            "2011-10-08T03:00:00Z",
        ),
        (
            "Upload dokumen s.d. 05-10-2011 09:00. Evaluasi s.d. 12-10-2011 16:00. "
            "Penjelasan s.d. 02-10-2011 09:00.",
            "2011-10-12T09:00:00Z",
        ),
        ("sampai 01-10-2011 08:00", None),  # over
        ("sampai 05-10-2031 08:00", None),  # too far away
        ("sampai 31-02-2012 08:00", None),
        ("sampai 05-13-2011 08:00", None),
        ("sampai 05-10-2011 25:00", None),
        ("05-10-2011 14:00", None),
        ("kampung rambutansampai 05-10-2011", None),
        ("", None),
    ],
)
def test_deadlines(text: str, expected: str | None) -> None:
    assert deadline(text, NOW) == (None if expected is None else from_iso(expected))


async def test_the_zone_of_the_site() -> None:
    body = "\nsampai 05-10-2011 14:00\n"
    assert (await read(head() + body, zone="WIT")).deadline_at == from_iso("2011-10-05T05:00:00Z")
    with pytest.raises(ValueError, match="WIB, WITA, WIT"):
        Classes(RULES, "UTC")


HTML = (
    "<html><body>Kepada Yth.<table><tr><th>ID Lelang</th><th>Nama Paket</th></tr>"
    "<tr><td>1234567</td><td>Gedung&nbsp;A</td></tr></table>"
    "Undangan berlaku <b>sampai</b> 05-10-2011&nbsp;14:00 WIB</body></html>"
)


@pytest.mark.parametrize(
    "letter",
    [
        head(more="Content-Type: text/html\n") + "\n" + HTML,
        head(more="Content-Type: text/html\nContent-Transfer-Encoding: base64\n")
        + "\n"
        + __import__("base64").encodebytes(HTML.encode()).decode(),
        head(more="Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n")
        + "\n"
        + HTML.replace("=", "=3D").replace("sampai", "sam=\npai"),
        head(more='Content-Type: multipart/alternative; boundary="b"\n')
        + f"\n--b\nContent-Type: image/png\n\nx\n--b\nContent-Type: text/html\n\n{HTML}\n--b--\n",
    ],
    ids=["plain", "base64", "quoted-printable", "multipart"],
)
async def test_particulars_are_read_from_the_body(letter: str) -> None:
    found = await read(letter)
    assert found.package == "1234567"
    assert found.deadline_at == from_iso("2011-10-05T07:00:00Z")


async def test_the_subject_s_own_words_count_first() -> None:
    found = await read(
        head("Kode Tender 111111 sampai 06-10-2011 00:00") + "\nKode Tender 222222\n"
    )
    assert found.package == "111111"
    assert found.deadline_at == from_iso("2011-10-05T17:00:00Z")


@given(st.binary(max_size=300), st.sampled_from(["text/plain", "text/html", "multipart/mixed"]))
def test_no_body_is_too_strange(body: bytes, kind: str) -> None:
    letter = transaction(f"Content-Type: {kind}; boundary=x\nContent-Transfer-Encoding: base64\n")
    assert letter.headers is not None
    text = words(letter.headers, b"--x\r\n\r\n" + body)
    assert text == " ".join(text.split()) and len(text) <= 2 * len(body) + 20
    assert (package(text) or "") in text
    assert deadline(text, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "<" * 65_536,
        "&" * 65_536,
        "sampai " * 9_000,
        "id lelang " * 6_000,
        "1-" * 32_000,
        "s/d" * 20_000,
    ],
)
async def test_hostile_words_are_read_in_no_time(text: str) -> None:
    started = time.process_time()
    await read(head(more="Content-Type: text/html\n") + "\n" + text)
    assert time.process_time() - started < 1.25


def test_now_of_these_tests() -> None:
    assert datetime.fromtimestamp(NOW / 1000, UTC).isoformat() == "2011-10-04T07:11:00+00:00"
