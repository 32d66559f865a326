"""The modules of CloudFront Functions: hashes as hashlib makes them, buffers as Python has bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunren.dataplane.edge.scripts import ScriptError, Scripts
from kunren.dataplane.edge.site import Script

SCRIPTS = Scripts()
CODE = """
import crypto from 'crypto';
import {Buffer as Bytes} from 'buffer';
import * as querystring from 'querystring';
function handler({what, args}) {
  const bytes = Buffer.from(args[0] ?? '', 'base64');
  return ({
    hash: () => crypto.createHash(args[1]).update(bytes).digest('hex'),
    parts: () => crypto.createHash(args[1]).update(bytes).update(bytes).digest('base64url'),
    hmac: () => crypto.createHmac(args[1], Buffer.from(args[2], 'base64')).update(bytes).digest('base64'),
    text: () => [bytes.toString(), Buffer.byteLength(bytes.toString()), Buffer.from(bytes.toString()).toString('hex')],
    hex: () => [bytes.toString('hex'), Buffer.from(bytes.toString('hex'), 'hex').toString('base64')],
    url: () => [bytes.toString('base64url'), Buffer.from(bytes.toString('base64url'), 'base64url').equals(bytes)],
    number: () => { const b = Bytes.alloc(8); b.writeUInt32BE(args[1], 2); return [b.readUInt32BE(2), b.toJSON().data]; },
    find: () => [bytes.indexOf(args[1]), bytes.includes(args[1]), bytes.slice(1, 3).toString('hex')],
    join: () => [Buffer.concat([bytes, bytes]).length, Buffer.compare(bytes, bytes), Buffer.isBuffer(bytes)],
    query: () => querystring.parse(args[0]),
    digest: () => Buffer.isBuffer(crypto.createHash('md5').digest()),
    twice: () => { const h = crypto.createHash('sha1'); h.digest(); return h.digest(); },
    unknown: () => crypto.createHash('sha3'),
  })[what]();
}
"""


def call(what: str, *args: object):
    given = [base64.b64encode(each).decode() if isinstance(each, bytes) else each for each in args]
    script = Script("f", "cloudfront-js-2.0", CODE, "1")
    return json.loads(SCRIPTS.run(script, json.dumps({"what": what, "args": given})).output)


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
@settings(max_examples=40)
@given(data=st.binary(max_size=200), key=st.binary(max_size=100))
def test_hashes_and_macs_are_the_standards(name, data, key):
    assert call("hash", data, name) == hashlib.new(name, data).hexdigest()
    assert base64.b64decode(call("hmac", data, name, key)) == hmac.digest(key, data, name)
    twice = base64.urlsafe_b64encode(hashlib.new(name, data * 2).digest()).decode().rstrip("=")
    assert call("parts", data, name) == twice


@settings(max_examples=60)
@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_texts_are_utf_8_and_come_back(text):
    data = text.encode()
    assert call("text", data) == [text, len(data), data.hex()]


@settings(max_examples=40)
@given(data=st.binary(max_size=60))
def test_bytes_come_back_from_every_encoding(data):
    assert call("hex", data) == [data.hex(), base64.b64encode(data).decode()]
    assert call("url", data) == [base64.urlsafe_b64encode(data).decode().rstrip("="), True]


def test_what_is_no_utf_8_is_replaced():
    assert call("text", b"a\xffb\xc3")[0] == "a\ufffdb\ufffd"
    assert call("text", b"\xed\xa0\x80\xf5")[0] == "\ufffd" * 4


def test_buffers_read_write_find_and_join():
    assert call("number", b"", 0xDEADBEEF) == [0xDEADBEEF, [0, 0, 0xDE, 0xAD, 0xBE, 0xEF, 0, 0]]
    assert call("find", b"abcabc", "ca") == [2, True, "6263"]
    assert call("join", b"abc") == [6, 0, True]


def test_a_digest_is_a_buffer_and_made_once_of_a_known_kind():
    assert call("digest") is True
    with pytest.raises(ScriptError, match="already"):
        call("twice")
    with pytest.raises(ScriptError, match="sha3"):
        call("unknown")


def test_queries_are_parsed():
    assert call("query", "a=1&b=%20x") == {"a": "1", "b": " x"}


def test_runtime_1_has_byte_strings_instead_of_buffers():
    code = """
      var crypto = require('crypto');
      function handler() {
        var mac = crypto.createHmac('sha256', 'k').update('x').digest();
        return [typeof Buffer, typeof mac, mac.length, String.bytesFrom('aGk', 'base64url')];
      }"""
    made = Scripts().run(Script("f", "cloudfront-js-1.0", code, "1"), "{}")
    assert json.loads(made.output) == ["undefined", "string", 32, "hi"]


def test_a_token_is_verified_as_in_awss_example():
    """A JSON web token (HS256), its key out of a key value store."""
    from kunren.dataplane.edge.key_values import KeyValues

    code = """
      import crypto from 'crypto';
      import cf from 'cloudfront';
      const store = cf.kvs();
      async function handler(event) {
        const [head, payload, signature] = event.token.split('.');
        const made = crypto.createHmac('sha256', await store.get('key')).update(head + '.' + payload).digest('base64url');
        if (made !== signature) return {statusCode: 401};
        return JSON.parse(Buffer.from(payload, 'base64url').toString());
      }"""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    signed = part(b'{"alg":"HS256"}') + "." + part('{"sub":"zoë"}'.encode())
    token = signed + "." + part(hmac.digest(b"secret", signed.encode(), "sha256"))
    scripts = Scripts({"s": KeyValues({"key": "secret"}.get, 1, 0.0, 0.0)})
    script = Script("f", "cloudfront-js-2.0", code, "1", ("s",))
    assert json.loads(scripts.run(script, json.dumps({"token": token})).output) == {"sub": "zoë"}
    assert json.loads(scripts.run(script, json.dumps({"token": token + "x"})).output) == {"statusCode": 401}
