"""An OpenID provider that knows one user and asks for no password: HTTPS on port 443.

`provider.py ISSUER CERTIFICATE KEY KEYSET`; ready once it prints "ready". /authorize sends the client back with a code,
/token gives tokens for it, /me the user's claims, /keys the key set in the file. Identity tokens carry a signature of
nobody's.
"""

import base64
import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

ISSUER, CERTIFICATE, KEY, KEY_SET = sys.argv[1:]


def encoded(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        parts = urlsplit(self.path)
        if parts.path == "/me":
            self.answer({"sub": "ann", "email": "ann@example.com", "peer": self.client_address[0]})
            return
        if parts.path == "/keys":
            self.answer(json.loads(Path(KEY_SET).read_text()))
            return
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.send_response(302)
        back = urlencode({"code": "a-code", "state": asked["state"]})
        self.send_header("location", f"{asked['redirect_uri']}?{back}")
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        claims = {"iss": ISSUER, "aud": "client", "sub": "ann", "exp": time.time() + 600}
        identity = f"{encoded({'alg': 'RS256'})}.{encoded(claims)}.{encoded('nobody')}"
        self.answer({"access_token": "a-token", "token_type": "Bearer", "id_token": identity})

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("0.0.0.0", 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
