"""PostgreSQL's protocol as bytes, and traffic to a PostgreSQL itself where one is installed."""

import base64
import subprocess
import sys

import pytest

from kunren.drills.database import programs
from kunren.drills.load.postgres import (
    Failed,
    Ready,
    Row,
    Say,
    Server,
    Session,
    message,
    proof,
    query,
    rows_of,
    server_of,
)

URL = "postgresql://drill:drill@127.0.0.1:{}/postgres"


def test_a_url_names_the_server():
    assert server_of("postgresql://me:p%40ss@db.test:6000/shop") == Server("db.test", 6000, "me", "p@ss", "shop")
    assert server_of("postgres://me@db.test") == Server("db.test", 5432, "me", "", "me")


def test_the_proof_is_that_of_rfc_7677():
    first = "n=user,r=rOprNGfwEbeRWgbNEkqO"
    challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final, signature = proof("pencil", first, challenge)
    assert final.endswith(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_a_session_says_who_it_is_and_tells_what_came_however_the_bytes_are_cut():
    session = Session(Server("", 0, "me", "word", "shop"))
    assert session.startup()[8:] == b"user\0me\0database\0shop\0application_name\0kunren-drill\0\0"
    clear, md5 = message(b"R", b"\0\0\0\3"), message(b"R", b"\0\0\0\5salt")
    assert list(session.fed(clear)) == [Say(b"p\0\0\0\x09word\0")]
    assert list(session.fed(md5)) == [Say(message(b"p", b"md5ee0fbfe7056b01eb5e0e97790ca58a81\0"))]
    answers = (
        message(b"R", b"\0\0\0\0") + message(b"S", b"TimeZone\0UTC\0") + message(b"Z", b"I")
        + message(b"D", b"\0\2\0\0\0\3abc\xff\xff\xff\xff") + message(b"C", b"SELECT 1\0")
        + message(b"E", b"SERROR\0VERROR\0C23505\0Mduplicate key\0\0") + message(b"Z", b"I")
        + message(b"E", b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0")
    )  # fmt: skip
    events = [each for byte in answers for each in session.fed(bytes([byte]))]
    assert events == [
        Ready(), Row(("abc", "")), Failed("23505", "duplicate key", False), Ready(),
        Failed("57P01", "terminating connection", True),
    ]  # fmt: skip
    assert query("select 1") == b"Q\0\0\0\x0dselect 1\0"


def test_an_authentication_that_is_not_known_is_named():
    session = Session(Server("", 0, "me", "word", "shop"))
    (failed,) = session.fed(message(b"R", b"\0\0\0\7"))
    assert failed.ends
    assert "(7)" in failed.text
    (failed,) = session.fed(message(b"R", b"\0\0\0\x0aOTHER\0\0"))
    assert "SCRAM-SHA-256" in failed.text


@pytest.fixture
def database(free_port, tmp_path):
    """`start()`: the command that runs one, killed and started again at will; and its URL."""
    if programs() is None:
        pytest.skip("no PostgreSQL is installed")
    port, running = free_port(), []
    command = [sys.executable, "-m", "kunren.drills.database", "--data", str(tmp_path / "data"), "--port", str(port)]
    command += ["--make", "create table writes (name text primary key);"]

    def start():
        running.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return running[-1]

    yield start, URL.format(port)
    for each in running:
        each.kill()
        each.wait()


def answers(url):
    try:
        return rows_of(url, "select 1", 5.0) == [Row(("1",))]
    except OSError:
        return False


def test_what_was_acknowledged_is_there_after_a_crash(database, generator, until):
    start, url = database
    process = start()
    until(lambda: answers(url), "PostgreSQL", 60)
    with pytest.raises(OSError, match="28P01: password authentication failed"):
        rows_of(url.replace(":drill@", ":other@"), "select 1", 5.0)
    wanted = {"statement": "insert into writes values ('{write}')", "write": True, "rate": 50, "timeout_s": 5.0}
    with generator(kind="sql", url=url, **wanted) as made:
        made.start()
        until(lambda: len(made.numbers("OK")) >= 20, "writes")
        process.kill()
        process.wait()
        until(lambda: len(made.numbers("FAIL")) + len(made.numbers("UNKNOWN")) > 0, "a write that failed")
        before = len(made.numbers("OK"))
        start()
        until(lambda: len(made.numbers("OK")) >= before + 20, "writes again", 60)
        made.say(do="stop")
        until(lambda: "stopped" in made.notes, "the generator stopped")
        made.say(do="read", clients=[1], url=f"{url} select name from writes")
        until(lambda: "read" in made.notes, "what was read back")
        acknowledged, seen = made.numbers("OK"), made.numbers("SEEN")
    assert acknowledged <= seen
    assert acknowledged


def test_a_statement_that_the_server_refuses_has_failed_and_is_not_unknown(database, generator, until):
    start, url = database
    start()
    until(lambda: answers(url), "PostgreSQL", 60)
    with generator(
        kind="sql", url=url, statement="insert into nothing values ('{write}')", write=True, rate=20
    ) as made:
        made.start()
        until(lambda: len(made.numbers("FAIL")) >= 3, "an error")
        assert len(made.numbers("UNKNOWN")) == len(made.numbers("OK")) == 0
