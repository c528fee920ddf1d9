"""Meanings of alerts about providers and letters; see meanings.py."""

from __future__ import annotations

from typing import Final

from relay.observe.severity import Meaning, Severity

_INFO, _WARNING, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

OF_MAIL: Final[tuple[Meaning, ...]] = (
    # --- a provider and its patience
    Meaning(
        ("pause:all",),
        _WARNING,
        "Nothing is sent to anybody: everything is paused, by somebody or by the relay itself (the "
        "reason stands below). All letters wait in the queue and none is lost. When the reason is "
        "gone: lpse-relay resume --all --reason '…'.",
        "Tidak ada email yang dikirim ke siapa pun: pengiriman dihentikan seluruhnya, oleh petugas "
        "atau oleh relay sendiri (alasannya di bawah). "
        "Semua surat menunggu di antrean dan tidak ada yang hilang. Bila penyebabnya sudah "
        "selesai: lpse-relay resume --all --reason '…'.",
    ),
    Meaning(
        ("pause:*", "pause"),
        _WARNING,
        "{key} has had enough of our mail for now, or somebody paused it (the reason stands "
        "below). Its letters wait in the queue, none is lost. After a refusal the relay tries "
        "again by itself, and nothing needs to be done; if it comes often, lower the limit of "
        "{key} in relay.yaml. What somebody paused ends with lpse-relay resume {key} "
        "--reason '…'.",
        "{key} untuk sementara tidak mau menerima email kita, atau petugas menghentikan pengiriman "
        "ke sana (alasannya di bawah). Suratnya menunggu di antrean, tidak ada yang hilang. "
        "Setelah penolakan, relay mencoba lagi sendiri dan tidak perlu tindakan; bila sering "
        "terjadi, turunkan batas kecepatan {key} di relay.yaml. Yang dihentikan petugas berlanjut "
        "dengan lpse-relay resume {key} --reason '…'.",
    ),
    Meaning(
        ("recovered:*", "recovered"),
        _INFO,
        "{key} takes our mail again. The letters that waited leave now, slowly at first. Nothing "
        "needs to be done.",
        "{key} sudah menerima email kita lagi. Surat yang menunggu sekarang dikirim, mula-mula "
        "perlahan. Tidak perlu tindakan.",
    ),
    Meaning(
        ("probe_refused:*", "probe_refused"),
        _WARNING,
        "The relay asked {key} with one letter whether it takes mail again, and it still refuses. "
        "The next try comes later by itself. If this lasts for a day, read the refusal below and "
        "follow the link in it.",
        "Relay mencoba satu surat ke {key}, dan masih ditolak. Percobaan berikutnya dilakukan "
        "sendiri nanti. Bila berlangsung lebih dari sehari, baca pesan penolakan di bawah dan "
        "ikuti tautan di dalamnya.",
    ),
    Meaning(
        ("blocked:*", "blocked"),
        _CRITICAL,
        "{key} blocks our server. All letters to it wait in the queue and none is lost. Read the "
        "refusal below: if it gives a link or a form, fill it in; then lpse-relay resume {key} "
        "--reason '…'. Do not send again by another way: it makes the block longer.",
        "{key} memblokir server kita. Semua surat ke sana menunggu di antrean dan tidak ada yang "
        "hilang. Baca pesan penolakan di bawah: bila ada tautan atau formulir, isilah; setelah itu "
        "lpse-relay resume {key} --reason '…'. Jangan kirim ulang lewat jalan lain: blokir bisa "
        "bertambah lama.",
    ),
    Meaning(
        ("fix_config:*", "fix_config"),
        _CRITICAL,
        "{key} refuses our mail because something on our side is not set up: DNS (PTR, SPF, DKIM, "
        "DMARC) or the server's name. The letters wait. Run lpse-relay check --live, mend what it "
        "names, then lpse-relay resume {key} --reason '…'.",
        "{key} menolak email kita karena ada yang belum benar di sisi kita: DNS (PTR, SPF, DKIM, "
        "DMARC) atau nama server. Surat menunggu di antrean. Jalankan lpse-relay check --live, "
        "perbaiki yang disebutkan, lalu lpse-relay resume {key} --reason '…'.",
    ),
    Meaning(
        ("fallback_route:*", "fallback_route"),
        _WARNING,
        "{key} has been closed to our mail for so long that urgent letters (passwords, "
        "registration) go by the fallback route of relay.yaml. All other letters wait. When {key} "
        "takes mail again, they go there again by themselves. See why it is closed: lpse-relay "
        "providers.",
        "{key} sudah lama tidak menerima email kita, sehingga surat kritis (kata sandi, "
        "pendaftaran) dikirim lewat jalur cadangan di relay.yaml. Surat lain menunggu. Bila {key} "
        "menerima email lagi, surat kembali ke jalur biasa dengan sendirinya. Lihat penyebabnya: "
        "lpse-relay providers.",
    ),
    Meaning(
        ("not_in_force:*", "not_in_force"),
        _WARNING,
        "A limit that relay.yaml sets for {key} is not in force, since its mail goes by a provider "
        "that many domains share (both stand below). The provider's own limits hold. Write the "
        "limit for the provider instead, or take it out.",
        "Batas yang ditulis di relay.yaml untuk {key} tidak berlaku, karena emailnya lewat "
        "penyedia yang dipakai banyak domain (keterangannya di bawah). Batas penyedia itu yang "
        "berlaku. Tuliskan batas tersebut untuk penyedianya, atau hapus.",
    ),
    Meaning(
        ("warmup_frozen:*", "warmup_frozen"),
        _WARNING,
        "The warm-up of our address at {key} stands still for today, because {key} refused us. "
        "Large announcements to {key} will take longer than planned. Send them earlier, or in "
        "smaller parts.",
        "Pemanasan alamat server kita di {key} berhenti untuk hari ini karena {key} menolak kita. "
        "Pengumuman besar ke {key} akan lebih lama dari rencana. Kirimkan lebih awal, atau dalam "
        "bagian yang lebih kecil.",
    ),
    Meaning(
        ("unreachable:*", "unreachable"),
        _INFO,
        "The mail server {key} cannot be reached. Its letters wait and are tried again by "
        "themselves. One such server is usual; if many come at once, look at this machine's own "
        "network and at port 25.",
        "Server email {key} tidak dapat dihubungi. Suratnya menunggu dan dicoba lagi sendiri. Satu "
        "server seperti ini biasa; bila banyak sekaligus, periksa jaringan mesin ini dan port 25.",
    ),
    Meaning(
        ("out_of_reach:*", "out_of_reach"),
        _WARNING,
        "No connection to {key} can be made, several times in a row (the fault stands below). It "
        "has refused nothing, and no limit is too high. Look at this machine's network and at port "
        "25 outwards (firewall, cloud provider). The letters wait, none is lost; they are tried "
        "again by themselves.",
        "Sambungan ke {key} gagal beberapa kali berturut-turut (kesalahannya di bawah). {key} "
        "tidak menolak apa pun, dan batas kecepatan tidak terlalu tinggi. Periksa jaringan mesin "
        "ini dan port 25 ke luar (firewall, penyedia cloud). Surat menunggu, tidak ada yang "
        "hilang, dan dicoba lagi sendiri.",
    ),
    Meaning(
        ("reached:*", "reached"),
        _INFO,
        "The mail server {key} can be reached again. Nothing needs to be done.",
        "Server email {key} sudah dapat dihubungi lagi. Tidak perlu tindakan.",
    ),
    Meaning(
        ("reaction:*", "reaction"),
        _WARNING,
        "A rule that was written for this site (reaction {key}) asks for somebody's attention. "
        "What it saw stands below.",
        "Aturan yang dibuat untuk situs ini (reaksi {key}) meminta perhatian. Yang dilihatnya "
        "tertulis di bawah.",
    ),
    # --- letters
    Meaning(
        ("fuse:*", "fuse"),
        _CRITICAL,
        "Suspiciously many addresses at {key} are called dead all at once, which is more likely an "
        "error at the provider. The relay holds those letters instead of giving them up. Look with "
        "lpse-relay queue ls, then confirm the failures or let the letters go again.",
        "Terlalu banyak alamat di {key} tiba-tiba dinyatakan tidak aktif; kemungkinan besar itu "
        "kesalahan di penyedia. Relay menahan surat-surat itu dan tidak menggagalkannya. Lihat "
        "dengan lpse-relay queue ls, lalu nyatakan gagal atau lepaskan lagi suratnya.",
    ),
    Meaning(
        ("deadline_at_risk:*", "deadline_at_risk"),
        _CRITICAL,
        "Some letters will probably arrive after the date that stands in them, at the speed that "
        "their provider allows. Raise the limit if the provider bears it, or tell the vendors by "
        "another way (SPSE, telephone); their Kotak Masuk has the letter already.",
        "Sebagian surat kemungkinan tiba setelah tanggal yang tercantum di dalamnya, karena "
        "kecepatan yang diizinkan penyedia. Naikkan batas bila penyedia sanggup, atau beri tahu "
        "penyedia barang/jasa lewat jalan lain (SPSE, telepon); suratnya sudah ada di Kotak Masuk.",
    ),
    Meaning(
        ("own_fault:*", "own_fault"),
        _CRITICAL,
        "At least three providers refuse our mail for something on our side (or one does, and the "
        "relay's own check agrees): DNS, DKIM, PTR, or our address on a block list. Nothing is "
        "sent to anybody, all letters wait, and one new letter asks every few hours. Run "
        "lpse-relay check --live, mend what it names, then lpse-relay resume --all --reason '…'.",
        "Sedikitnya tiga penyedia menolak email kita karena sesuatu di sisi kita (atau satu, dan "
        "pemeriksaan relay sendiri membenarkannya): DNS, DKIM, PTR, atau alamat kita di daftar "
        "blokir. Tidak ada email yang dikirim, semua surat menunggu, dan satu surat baru mencoba "
        "setiap beberapa jam. Jalankan lpse-relay check --live, perbaiki yang disebutkan, lalu "
        "lpse-relay resume --all --reason '…'.",
    ),
    Meaning(
        ("ourselves:*", "ourselves"),
        _CRITICAL,
        "A server refused a letter through a fault of ours (rule {key}). Run lpse-relay check "
        "--live and mend what it names; lpse-relay classify explains the refusal below.",
        "Sebuah server menolak surat karena kesalahan di sisi kita (aturan {key}). Jalankan "
        "lpse-relay check --live dan perbaiki yang disebutkan; lpse-relay classify menjelaskan "
        "penolakan di bawah.",
    ),
    Meaning(
        ("unsettled",),
        _CRITICAL,
        "A letter's result could not be written down; it may be sent once more. Look at the disk "
        "and at the log (journalctl -u lpse-relay).",
        "Hasil pengiriman sebuah surat tidak dapat dicatat; surat itu mungkin terkirim sekali "
        "lagi. Periksa disk dan log (journalctl -u lpse-relay).",
    ),
    Meaning(
        ("set_aside",),
        _CRITICAL,
        "A letter was set aside because trying it failed in a way that should not happen. It waits "
        "and is not lost. Report it with the lines around it from journalctl -u lpse-relay.",
        "Sebuah surat dikesampingkan karena percobaannya gagal dengan cara yang tidak semestinya. "
        "Surat itu menunggu dan tidak hilang. Laporkan beserta baris terkait dari journalctl -u "
        "lpse-relay.",
    ),
    Meaning(
        ("unreadable",),
        _CRITICAL,
        "A letter cannot be read from the store. Look at the disk, and make a copy of the state "
        "directory before anything else.",
        "Sebuah surat tidak dapat dibaca dari penyimpanan. Periksa disk, dan salin dulu direktori "
        "state sebelum melakukan hal lain.",
    ),
    Meaning(
        ("unsigned:*", "unsigned"),
        _CRITICAL,
        "Letters leave without a DKIM signature, and large providers refuse such letters. Make a "
        "key with lpse-relay keys new, publish its DNS record and name it under dkim: in "
        "relay.yaml.",
        "Surat terkirim tanpa tanda tangan DKIM, dan penyedia besar menolak surat seperti itu. "
        "Buat kunci dengan lpse-relay keys new, pasang catatan DNS-nya, dan tulis di bawah dkim: "
        "di relay.yaml.",
    ),
    Meaning(
        ("dkim_record:*", "dkim_record"),
        _CRITICAL,
        "The DKIM record of {key} in DNS does not fit our key, so receivers take our letters for "
        "forged. lpse-relay keys check prints the record that must stand in DNS.",
        "Catatan DKIM {key} di DNS tidak cocok dengan kunci kita, sehingga penerima menganggap "
        "surat kita palsu. lpse-relay keys check menampilkan catatan yang harus ada di DNS.",
    ),
    Meaning(
        ("empty_letter",),
        _WARNING,
        "The application hands in letters without any text. Tell whoever looks after the "
        "application; the relay sends them as they are.",
        "Aplikasi menyerahkan surat tanpa isi. Beri tahu pengelola aplikasi; relay mengirimkannya "
        "apa adanya.",
    ),
)
