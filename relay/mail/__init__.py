"""The vocabulary: frozen nouns of a letter's road, and pure functions on octets; no IO in here."""
