"""Replies cut out of octets: on any splitting, bounded, junk refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.reply import MAX_BYTES, MAX_LINES, Stage
from relay.transports.reading import MAX_DROPPED, MAX_WAITING, NotSmtp, ReplyReader

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=60)


@st.composite
def replies(draw: st.DrawFn) -> tuple[int, list[bytes], bytes]:
    code = draw(st.integers(200, 599))
    texts = [text.encode() for text in draw(st.lists(TEXT, min_size=1, max_size=6))]
    end = draw(st.sampled_from([b"\r\n", b"\n"]))
    lines = [b"%d-%b" % (code, text) for text in texts[:-1]] + [b"%d %b" % (code, texts[-1])]
    return code, lines, b"".join(line + end for line in lines)


@given(st.lists(replies(), min_size=1, max_size=5), st.data())
def test_any_splitting_gives_the_same_replies(
    said: list[tuple[int, list[bytes], bytes]], data: st.DataObject
) -> None:
    stream = b"".join(octets for _, _, octets in said)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = ReplyReader()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
    assert [(spoken.code, spoken.raw) for spoken in reader.replies] == [
        (code, b"\n".join(lines)) for code, lines, _ in said
    ]


def test_the_last_lines_code_counts_whatever_stands_in_its_text() -> None:
    reader = ReplyReader()
    reader.feed(b"250 2.0.0 queued\r550 5.1.1 no such user\r\n")
    [spoken] = reader.replies
    assert spoken.code == spoken.reply(Stage.EOD).code == 250


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_whatever_is_said_gives_replies_or_is_called_no_smtp(pieces: list[bytes]) -> None:
    reader = ReplyReader()
    try:
        for piece in pieces:
            reader.feed(piece)
    except NotSmtp as error:
        assert str(error).isascii()
    for spoken in reader.replies:
        assert 200 <= spoken.code < 600
        assert spoken.reply(Stage.EOD).stage is Stage.EOD


def test_a_bare_code_is_a_reply() -> None:
    reader = ReplyReader()
    reader.feed(b"250\r\n354 \r\n")
    assert [spoken.code for spoken in reader.replies] == [250, 354]


def test_the_last_line_counts_and_text_without_codes_within_is_kept() -> None:
    reader = ReplyReader()
    reader.feed(b"250-5.1.1 never\r\nsee https://example.net\r\n550 5.1.1 nobody here\r\n")
    reply = reader.replies[0].reply(Stage.RCPT)
    assert (reply.code, str(reply.enhanced)) == (550, "5.1.1")
    assert reply.text == "never\nsee https://example.net\nnobody here"


def test_an_unfinished_reply_is_none_yet_and_not_clean() -> None:
    reader = ReplyReader()
    states = [reader.is_clean]
    for piece in (b"250-one\r\n", b"250 tw"):
        reader.feed(piece)
        assert not reader.replies
        states.append(reader.is_clean)
    reader.feed(b"o\r\n")
    assert reader.replies.popleft().raw == b"250-one\n250 two"
    assert [*states, reader.is_clean] == [True, False, False, True]


@pytest.mark.parametrize(
    "junk", [b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"25 x\r\n", b"2500 x\r\n", b"199 x\r\n"]
)
def test_junk(junk: bytes) -> None:
    with pytest.raises(NotSmtp):
        ReplyReader().feed(junk)


def test_junk_is_quoted_without_its_controls() -> None:
    with pytest.raises(NotSmtp, match=r"^\\x1b\[2J\\xff$"):
        ReplyReader().feed(b"\x1b[2J\xff\r\n")


def test_what_is_over_the_bounds_is_dropped_and_the_reply_understood() -> None:
    reader = ReplyReader()
    for n in range(5 * MAX_LINES):
        reader.feed(b"550-line %d\r\n" % n)
    reader.feed(b"550 end\r\n250 next\r\n")
    first, second = reader.replies
    assert first.code == 550
    assert first.raw.count(b"\n") + 1 == MAX_LINES
    assert second.raw == b"250 next"


def test_a_long_line_is_cut() -> None:
    reader = ReplyReader()
    for _ in range(64):
        reader.feed(b"550 " + b"x" * 1020 if reader.is_clean else b"x" * 1024)
    reader.feed(b"\r\n")
    assert reader.replies[0].code == 550
    assert len(reader.replies[0].raw) == MAX_BYTES


def test_a_reply_without_end_is_junk() -> None:
    reader = ReplyReader()
    with pytest.raises(NotSmtp):
        for _ in range(2 * MAX_DROPPED // 1024):
            reader.feed(b"x" * 1024)
    reader = ReplyReader()
    with pytest.raises(NotSmtp):
        for _ in range(2 * MAX_DROPPED // 1024):
            reader.feed(b"250-" + b"x" * 1018 + b"\r\n")


def test_a_flood_of_replies_is_junk() -> None:
    reader = ReplyReader()
    with pytest.raises(NotSmtp):
        reader.feed(b"250 ok\r\n" * (MAX_WAITING + 1))
