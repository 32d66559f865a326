"""An HTTP/3 client in the world: reads requests as lines of JSON on standard input, answers each with a line of JSON.

{"url", "name", "headers", "method", "timeout"}: one QUIC connection a request, to the URL's host; "name" is the server name of the
handshake and the authority, whose certificate is verified. An answer is {"status", "headers", "body"} or {"error"}.
"""

import asyncio
import json
import os
import sys
from urllib.parse import urlsplit

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration


class Http3(QuicConnectionProtocol):
    def __init__(self, *given, **more):
        super().__init__(*given, **more)
        self.http = H3Connection(self._quic)
        self.headers, self.body = {}, b""
        self.ended = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        for each in self.http.handle_event(event):
            if isinstance(each, HeadersReceived):
                self.headers = {name.decode(): value.decode() for name, value in each.headers}
            elif isinstance(each, DataReceived):
                self.body += each.data
            if each.stream_ended and not self.ended.done():
                self.ended.set_result(None)


async def ask(wanted):
    parts = urlsplit(wanted["url"])
    name = wanted.get("name", parts.hostname)
    trust = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name=name)
    trust.load_verify_locations(os.environ["SSL_CERT_FILE"])
    try:
        async with (
            asyncio.timeout(wanted.get("timeout", 10)),
            connect(parts.hostname, parts.port or 443, configuration=trust, create_protocol=Http3) as spoken,
        ):
            stream = spoken._quic.get_next_available_stream_id()
            path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
            pseudo = {":method": wanted.get("method", "GET"), ":scheme": "https", ":authority": name, ":path": path}
            sent = {**pseudo, **wanted.get("headers", {})}
            spoken.http.send_headers(stream, [(k.encode(), v.encode()) for k, v in sent.items()], end_stream=True)
            spoken.transmit()
            await spoken.ended
            return {
                "status": int(spoken.headers.pop(":status")), "headers": spoken.headers, "body": spoken.body.decode()
            }  # fmt: skip
    except (OSError, TimeoutError) as error:
        return {"error": type(error).__name__ + ": " + str(error)}


for line in sys.stdin:
    sys.stdout.write(json.dumps(asyncio.run(ask(json.loads(line)))) + "\n")
    sys.stdout.flush()
