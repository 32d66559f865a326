"""`python target.py NAME`: an HTTP server on port 80 that answers every request with its name."""

from __future__ import annotations

import http.server
import sys

NAME = sys.argv[1].encode() if len(sys.argv) > 1 else b"target"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(NAME)))
        self.end_headers()
        self.wfile.write(NAME)

    def log_message(self, format: str, *args: object) -> None:
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("0.0.0.0", 80), Handler).serve_forever()
