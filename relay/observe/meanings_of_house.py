"""Meanings of alerts about the door, returns and the machine; see meanings.py."""

from __future__ import annotations

from typing import Final

from relay.observe.severity import Meaning, Severity

_INFO, _WARNING, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

OF_HOUSE: Final[tuple[Meaning, ...]] = (
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
