"""What the tasks of the drills on ECS run: it is handed to Python whole, by `python3 -c`, and needs nothing else.

GET / answers with VERSION after SLOW_MS, at most AT_ONCE at a time; with BROKEN it answers 500. GET /health is 200. On
SIGTERM it ends what it has begun, takes nothing new, and exits.
"""

import http.server
import os
import signal
import socketserver
import threading
import time

SLOW_S = int(os.environ.get("SLOW_MS", "0")) / 1000
AT_ONCE = threading.Semaphore(int(os.environ.get("AT_ONCE", "1000")))


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        broken = self.path == "/" and bool(os.environ.get("BROKEN"))
        if self.path == "/":
            with AT_ONCE:
                time.sleep(SLOW_S)
        body = os.environ.get("VERSION", "").encode()
        self.send_response(500 if broken else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = False
    request_queue_size = 256


if __name__ == "__main__":
    server = Server(("", 80), Answers)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()
