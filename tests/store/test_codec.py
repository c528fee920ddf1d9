"""Every attempt and letter comes back out of its row as it went in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.mail.classification import Action, Category, Classification, Scope
from relay.mail.delivery import Attempt, Failure, FailureKind
from relay.mail.reply import EnhancedCode, Reply, Stage
from relay.store import codec, migrations, reading
from tests.store.letters import Post

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HEAD = Post().message().content.head
HEADS = st.one_of(
    st.none(),
    st.binary(max_size=50),
    st.binary(max_size=50).map(lambda more: more + HEAD),
    st.binary(max_size=50).map(lambda more: HEAD + more),
)
REPLIES = st.builds(
    Reply,
    st.integers(0, 599),
    st.none() | st.builds(EnhancedCode, *(st.integers(0, 999),) * 3),
    WORDS,
    st.none() | st.sampled_from(Stage),
)
READINGS = st.builds(
    Classification,
    st.sampled_from(Category),
    st.sampled_from(Scope),
    st.sampled_from(Action),
    WORDS,
    st.floats(0, 1),
)
ATTEMPTS = st.builds(
    Attempt,
    message_id=st.just(7),
    n=st.just(1),
    number=st.just(1),
    started_at=st.integers(0, 1 << 43),
    took_us=st.integers(0, 1 << 40),
    source_ip=WORDS,
    mx=WORDS,
    ip=WORDS,
    tls=st.none() | WORDS,
    stage=st.sampled_from(Stage),
    reply=st.none() | REPLIES,
    failure=st.none()
    | st.builds(Failure, st.sampled_from(FailureKind), WORDS, st.sampled_from(Stage)),
    classification=st.none() | READINGS,
    sent_head=HEADS,
    sent_sha256=st.none() | st.binary(min_size=32, max_size=32),
    route_key=WORDS,
)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        for statement in migrations.statements(migrations.shipped()[0].sql):
            made.execute(statement)
        row = list(codec.message_row(Post().message()))
        row[0] = 7
        made.execute(f"INSERT INTO message VALUES ({', '.join('?' * len(row))})", row)
        yield made


@given(attempt=ATTEMPTS, knows_head=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_attempts(connection: sqlite3.Connection, attempt: Attempt, knows_head: bool) -> None:
    connection.execute("BEGIN")
    row = codec.attempt_row(attempt, HEAD if knows_head else None, node=3)
    connection.execute(codec.INSERT_ATTEMPT, row)
    assert reading.attempts(connection, 7, 1) == [attempt]
    connection.execute("ROLLBACK")


def test_a_header_block_as_sent_costs_only_what_was_added() -> None:
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; b=" + b"A" * 300 + b"\r\n"
    renamed = signature + HEAD.replace(b"To: ", b"Message-ID: <1@x>\r\nTo: ")
    for sent in (signature + HEAD, renamed):
        form, kept = codec._sent(sent, HEAD)
        assert kept is not None
        assert len(kept) <= len(signature) + 30
        assert codec._sent_head(form, kept, HEAD) == sent


def test_text_that_no_column_can_hold() -> None:
    assert codec.text("a\udcffb") == "a?b"
    assert codec.text("é") == "é"
    assert codec.text_or_none(None) is None
