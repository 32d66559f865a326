"""A client in the world: reads requests as lines of JSON on standard input, answers each with a line of JSON.

{"url", "method", "headers", "body", "times", "timeout", "name"}: one connection a request; "name" is the server name
told in the TLS handshake, whose certificate is then verified, unless "verify" is false. An answer is a list of
{"status", "headers", "body", "peer", "certificate"} or {"error"}.
{"address": true} answers the address that requests leave from. {"stream": URL, "threads"} starts a steady stream of
requests ("once": one a thread), {"seen": true} asks what came so far, {"stop": true} ends it and asks for all.
"""

import http.client
import json
import socket
import ssl
import sys
import threading
from urllib.parse import urlsplit


def ask(wanted):
    parts = urlsplit(wanted["url"])
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    timeout = wanted.get("timeout", 10)
    try:
        raw = socket.create_connection((parts.hostname, port), timeout)
        with raw:
            answer = {"peer": raw.getpeername()[0]}
            if secure:
                raw = handshake(raw, wanted, answer)
            connection = http.client.HTTPConnection(parts.hostname, port, timeout=timeout)
            connection.sock = raw
            path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
            headers = {"Connection": "close", **wanted.get("headers", {})}
            connection.request(wanted.get("method", "GET"), path, wanted.get("body"), headers)
            response = connection.getresponse()
            answer["body"] = response.read().decode()
            answer["status"] = response.status
            answer["headers"] = {name.lower(): value for name, value in response.getheaders()}
            raw.close()
            return answer
    except (OSError, http.client.HTTPException) as error:
        return {"error": type(error).__name__ + ": " + str(error)}


def handshake(raw, wanted, answer):
    context = ssl.create_default_context()
    name = wanted.get("name") or urlsplit(wanted["url"]).hostname
    if not wanted.get("verify", True):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    secured = context.wrap_socket(raw, server_hostname=name)
    pem = ssl.DER_cert_to_PEM_cert(secured.getpeercert(True))
    answer["certificate"] = pem
    answer["tls"] = secured.version()
    return secured


def own_address():
    """The address that requests leave from: no packet is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("198.18.0.2", 53))
        return sock.getsockname()[0]


class Stream:
    def __init__(self, url, threads, once):
        self.ending = threading.Event()
        self.once = once
        self.answers = []
        self.threads = [threading.Thread(target=self.run, args=({"url": url},)) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, wanted):
        while not self.ending.wait(0.01):
            self.answers.append(ask(wanted))
            if self.once:
                return

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()
        return self.answers


stream = None
for line in sys.stdin:
    wanted = json.loads(line)
    if "stream" in wanted:
        stream = Stream(wanted["stream"], wanted["threads"], wanted.get("once", False))
        answered = []
    elif "stop" in wanted:
        answered = stream.stop()
    elif "address" in wanted:
        answered = [own_address()]
    elif "seen" in wanted:
        answered = list(stream.answers)
    else:
        answered = [ask(wanted) for _ in range(wanted.get("times", 1))]
    sys.stdout.write(json.dumps(answered) + "\n")
    sys.stdout.flush()
