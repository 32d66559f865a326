#!/usr/bin/env python3
"""Does what the AWS CLI needs of AWS's program session-manager-plugin, which no package registry has: takes a session,
opens its data channel, sends standard input and prints what comes. Written from the protocol alone; `drop` in the
environment variable SESSION_TEST leaves the first data unacknowledged, as a client that is not ready does.
"""

import base64
import hashlib
import json
import os
import secrets
import socket
import ssl
import struct
import sys
import threading
import time
import uuid
from urllib.parse import urlsplit

HEAD = ">I32sIQqQ16s32sII"


class Session:
    def __init__(self, url, token):
        where = urlsplit(url)
        self.socket = socket.create_connection((where.hostname, where.port or 443), 30)
        if where.scheme == "wss":
            trust = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
            self.socket = trust.wrap_socket(self.socket, server_hostname=where.hostname)
        self.file = self.socket.makefile("rb")
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        asked = (
            f"GET {where.path}?{where.query} HTTP/1.1", f"Host: {where.netloc}", "Upgrade: websocket",
            "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "",
        )  # fmt: skip
        self.socket.sendall("\r\n".join(asked).encode())
        status = self.file.readline()
        headers = {}
        while (line := self.file.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        if b" 101 " not in status:
            raise SystemExit(f"refused: {status!r}")
        wanted = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert headers["sec-websocket-accept"] == base64.b64encode(wanted).decode()
        self.saying = threading.Lock()
        self.sequence, self.expected, self.kept, self.lock = 0, 0, {}, threading.Lock()
        self.local_port, self.streams, self.parts = None, {}, bytearray()
        self.dropping = os.environ.get("SESSION_TEST") == "drop"
        opening = {"MessageSchemaVersion": "1.0", "RequestId": str(uuid.uuid4()), "TokenValue": token}
        self.frame(1, json.dumps(opening).encode())

    def frame(self, opcode, payload):
        mask = secrets.token_bytes(4)
        size = len(payload)
        head = bytes([0x80 | opcode]) + (
            bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0x80 | 126, size) if size < 65536
            else struct.pack(">BQ", 0x80 | 127, size)
        )  # fmt: skip
        with self.lock:
            self.socket.sendall(head + mask + bytes(each ^ mask[at % 4] for at, each in enumerate(payload)))

    def message(self, kind, sequence, what, payload, flags=0):
        id = uuid.uuid4().bytes
        now = int(time.time() * 1000)
        self.frame(2, struct.pack(
            HEAD, 116, kind.encode().ljust(32), 1, now, sequence, flags, id[8:] + id[:8],
            hashlib.sha256(payload).digest(), what, len(payload),
        ) + payload)  # fmt: skip

    def say(self, what, payload):
        self.message("input_stream_data", self.sequence, what, payload)
        self.sequence += 1

    def frames(self):
        while len(head := self.file.read(2)) == 2:
            size = head[1]
            if size == 126:
                (size,) = struct.unpack(">H", self.file.read(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", self.file.read(8))
            yield head[0] & 15, self.file.read(size)

    def run(self):
        """Returns when the session has ended, and why where that is told."""
        for opcode, raw in self.frames():
            if opcode == 8:
                return f"closed {int.from_bytes(raw, 'big')}"
            if opcode != 2:
                continue
            size, kind, _, _, sequence, _, id, digest, what, length = struct.unpack_from(HEAD, raw)
            payload = raw[size + 4 :]
            assert size == 116 and length == len(payload) and hashlib.sha256(payload).digest() == digest
            kind = kind.decode().strip(" \0")
            if kind == "channel_closed":
                return json.loads(payload)["Output"]
            if kind == "output_stream_data":
                if self.dropping and what == 1:
                    self.dropping = False
                    continue
                told = {
                    "AcknowledgedMessageType": kind,
                    "AcknowledgedMessageId": str(uuid.UUID(bytes=id[8:] + id[:8])),
                    "AcknowledgedMessageSequenceNumber": sequence, "IsSequentialMessage": True,
                }  # fmt: skip
                self.message("acknowledge", 0, 0, json.dumps(told).encode(), 3)
                self.kept[sequence] = (what, payload)
                while self.expected in self.kept:
                    self.heed(*self.kept.pop(self.expected))
                    self.expected += 1
        return "lost"

    def heed(self, what, payload):
        if what == 5:
            asked = json.loads(payload)["RequestedClientActions"]
            told = asked[0]["ActionParameters"]
            if told["SessionType"] == "Port":
                self.local_port = int(told["Properties"]["localPortNumber"])
            done = [{"ActionType": each["ActionType"], "ActionStatus": 1} for each in asked]
            answer = {"ClientVersion": "1.2.0.0", "ProcessedClientActions": done, "Errors": None}
            self.say(6, json.dumps(answer).encode())
        elif what == 7 and self.local_port is not None:
            threading.Thread(target=self.listen, daemon=True).start()
        elif what == 1 and self.local_port is not None:
            self.parts += payload
            self.hand_out()
        elif what == 7:
            self.say(3, json.dumps({"cols": 123, "rows": 45}).encode())
            for line in sys.stdin:
                self.say(1, line.replace("\n", "\r").encode())
        elif what == 1:
            sys.stdout.buffer.write(payload)
            sys.stdout.flush()

    # -- port forwarding: each local connection is a stream of its own

    def listen(self):
        with socket.create_server(("127.0.0.1", self.local_port)) as server:
            for number in range(3, 1000, 2):
                self.streams[number], _ = server.accept()
                threading.Thread(target=self.read, args=(number,), daemon=True).start()

    def stream(self, command, number, data=b""):
        with self.saying:
            self.say(1, struct.pack("<BBHI", 1, command, len(data), number) + data)

    def read(self, number):
        self.stream(0, number)
        while data := self.streams[number].recv(1000):
            self.stream(2, number, data)
        self.stream(1, number)

    def hand_out(self):
        while len(self.parts) >= 8:
            _, command, size, number = struct.unpack_from("<BBHI", self.parts)
            if len(self.parts) < 8 + size:
                return
            data = bytes(self.parts[8 : 8 + size])
            del self.parts[: 8 + size]
            if command == 2:
                self.streams[number].sendall(data)
            elif command == 1:
                try:
                    self.streams[number].shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # it has gone already


def main():
    if len(sys.argv) == 1:
        print("The Session Manager plugin was installed successfully. Use the AWS CLI to start a session.")
        return
    if sys.argv[1] == "--version":
        print("1.2.0.0")
        return
    told = json.loads(sys.argv[1])
    session = {key.lower(): value for key, value in told.items()}
    output = Session(session["streamurl"], session["tokenvalue"]).run()
    print(f"\nSession {session['sessionid']} ended: {output}")


if __name__ == "__main__":
    main()
