"""Meanings: what each alert's name says to an administrator, how grave it is, and what to do; pure.

One table. A name is `word` or `word:key`; the first glob that matches the whole name counts. Each
meaning is said in English and in Bahasa Indonesia, for somebody who is no expert of mail; `{key}`
is what stands behind the colon. A test holds the table against every name that the code raises.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from relay.observe.severity import Meaning, Severity, word_of


def meaning_of(name: str) -> Meaning:
    """The first meaning in the table that the name matches; the last one matches any."""
    return next(one for one in MEANINGS if any(fnmatchcase(name, glob) for glob in one.globs))


def words() -> list[str]:
    """Every word that the table knows, for who writes `only:`."""
    return sorted({word_of(glob) for one in MEANINGS for glob in one.globs} - {"*"})


_INFO, _WARNING, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

MEANINGS: Final[tuple[Meaning, ...]] = (
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
        *(("not_in_force:*", "not_in_force"), _WARNING),
        "A limit of {key} is not in force: write it for the provider, as detailed.",
        "Batas {key} tidak berlaku: tuliskan untuk penyedianya, lihat rincian.",
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
    # --- the door
    Meaning(
        ("ingress_ceiling",),
        _CRITICAL,
        "The application hands in far more letters an hour than allowed, so new ones are kept but "
        "held. If it is meant, release them with lpse-relay queue release; if not, the application "
        "or its password may be misused: look there first.",
        "Aplikasi menyerahkan surat jauh melebihi batas per jam, sehingga surat baru disimpan "
        "tetapi ditahan. Bila memang dimaksudkan, lepaskan dengan lpse-relay queue release; bila "
        "tidak, aplikasi atau sandinya mungkin disalahgunakan: periksa itu lebih dulu.",
    ),
    Meaning(
        ("ingress_ceiling_held",),
        _CRITICAL,
        "Letters are held because the application handed in more than is allowed in an hour. They "
        "are safe and go nowhere until lpse-relay queue release (or rm).",
        "Surat ditahan karena aplikasi menyerahkan lebih dari yang diizinkan dalam sejam. Surat "
        "aman dan tidak dikirim sebelum lpse-relay queue release (atau rm).",
    ),
    Meaning(
        ("door_strangers",),
        _WARNING,
        "Clients that may not send through this relay try to. They are refused. If it is the "
        "application itself, name its address under trusted_networks in relay.yaml; otherwise "
        "close the port for them in the firewall.",
        "Ada klien tanpa izin yang mencoba mengirim lewat relay ini. Mereka ditolak. Bila itu "
        "aplikasi sendiri, tulis alamatnya di trusted_networks pada relay.yaml; bila bukan, tutup "
        "port itu di firewall.",
    ),
    Meaning(
        ("door_full",),
        _WARNING,
        "All places at the door are taken, and new connections of the application wait. If it "
        "lasts, look for a client that opens connections and does not close them.",
        "Semua tempat koneksi terpakai, dan koneksi baru dari aplikasi menunggu. Bila berlanjut, "
        "cari klien yang membuka koneksi tanpa menutupnya.",
    ),
    Meaning(
        ("worker_died",),
        _WARNING,
        "One of the processes that take letters ended, and is started again by itself. Its "
        "connections were lost; nothing that was acknowledged is, and the application sends the "
        "rest again. If it comes often, look at the lines around it in journalctl -u lpse-relay.",
        "Salah satu proses penerima surat berhenti dan dijalankan lagi secara otomatis. Koneksinya "
        "terputus; surat yang sudah diterima tidak ada yang hilang, dan aplikasi mengirim ulang "
        "sisanya. Bila sering terjadi, periksa baris terkait di journalctl -u lpse-relay.",
    ),
    Meaning(
        ("door_drain",),
        _INFO,
        "While the relay stopped, some connections did not end in time and were cut. The "
        "application sends those letters again by itself.",
        "Saat relay berhenti, beberapa koneksi tidak selesai pada waktunya dan diputus. Aplikasi "
        "mengirim ulang surat itu sendiri.",
    ),
    Meaning(
        ("door_fault",),
        _CRITICAL,
        "The relay met an error of its own while it took a letter; the application was asked to "
        "try again, and nothing is lost. Report it with the lines around it from journalctl -u "
        "lpse-relay.",
        "Relay mengalami kesalahan sendiri saat menerima surat; aplikasi diminta mencoba lagi, dan "
        "tidak ada yang hilang. Laporkan beserta baris terkait dari journalctl -u lpse-relay.",
    ),
    Meaning(
        ("cannot_accept",),
        _CRITICAL,
        "The relay cannot take new connections from the system, most often because too many files "
        "are open. The application's letters wait there. Restart the service, and raise "
        "LimitNOFILE if it comes again.",
        "Relay tidak dapat menerima koneksi baru dari sistem, biasanya karena terlalu banyak "
        "berkas terbuka. Surat menunggu di aplikasi. Mulai ulang layanan, dan naikkan LimitNOFILE "
        "bila terulang.",
    ),
    Meaning(
        ("filter_failed",),
        _CRITICAL,
        "A filter of the door failed, and letters may be asked to come again or pass without it. "
        "If it is the site's own filter, mend it or take it out of filters: in relay.yaml.",
        "Sebuah filter gagal, sehingga surat diminta datang lagi atau lewat tanpa filter itu. Bila "
        "itu filter buatan sendiri, perbaiki atau keluarkan dari filters: di relay.yaml.",
    ),
    # --- what comes back
    Meaning(
        ("returns_kept",),
        _INFO,
        "A letter came to the return address that no program can read: a person's, or a report in "
        "unknown words. It waits for 30 days: lpse-relay returns ls.",
        "Ada surat masuk ke alamat pengembalian yang tidak terbaca oleh program: dari seseorang, "
        "atau laporan dengan kata-kata yang tidak dikenal. Disimpan 30 hari: lpse-relay returns "
        "ls.",
    ),
    Meaning(
        ("returns_full",),
        _WARNING,
        "So many letters wait at the return address that no more are taken; late bounces still "
        "are. Read and remove them: lpse-relay returns ls, returns rm.",
        "Surat yang menunggu di alamat pengembalian terlalu banyak, sehingga yang baru tidak "
        "diterima; pantulan email tetap diterima. Baca dan hapus: lpse-relay returns ls, "
        "returns rm.",
    ),
    Meaning(
        ("letter_refused",),
        _CRITICAL,
        "The application handed a letter in and was refused; it will not try again by itself. The "
        "letter is kept for a week: lpse-relay refused ls names the reason, refused export ID "
        "writes it to a file. Mend the cause, then hand it in again.",
        "Aplikasi menyerahkan surat dan ditolak; aplikasi tidak akan mencobanya lagi. Suratnya "
        "disimpan seminggu: lpse-relay refused ls menyebutkan sebabnya, refused export ID "
        "menuliskannya ke berkas. Perbaiki sebabnya, lalu serahkan lagi.",
    ),
    # --- the machine and its configuration
    Meaning(
        ("low_disk",),
        _CRITICAL,
        "The disk is nearly full. Below the reserve no new letters are taken; those in the queue "
        "still leave. Make room on the disk of the state directory now.",
        "Disk hampir penuh. Di bawah cadangan, surat baru tidak diterima; surat di antrean tetap "
        "dikirim. Segera kosongkan ruang di disk direktori state.",
    ),
    Meaning(
        ("reload_refused",),
        _WARNING,
        "The changed relay.yaml has a fault, so the old configuration is still in force. Run "
        "lpse-relay check, mend what it names, and reload again.",
        "relay.yaml yang diubah mengandung kesalahan, sehingga konfigurasi lama masih berlaku. "
        "Jalankan lpse-relay check, perbaiki yang disebutkan, lalu muat ulang.",
    ),
    Meaning(
        ("log_dropped",),
        _WARNING,
        "Lines of the log were lost because the disk or the journal was too slow. Mail goes on. "
        "Look at the disk on which the log lies.",
        "Sebagian baris log hilang karena disk atau journal terlalu lambat. Email tetap berjalan. "
        "Periksa disk tempat log disimpan.",
    ),
    Meaning(
        ("test",),
        _INFO,
        "This is a test of lpse-relay's alerts. Nothing happened, and nothing needs to be done: "
        "alerts reach you.",
        "Ini uji coba peringatan lpse-relay. Tidak terjadi apa-apa dan tidak perlu tindakan: "
        "peringatan sampai kepada Anda.",
    ),
    Meaning(
        ("*",),
        _WARNING,
        "Something needs an administrator's eye; what it is stands below.",
        "Ada sesuatu yang perlu diperhatikan petugas; keterangannya di bawah.",
    ),
)
