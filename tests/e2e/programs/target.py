"""A target: an HTTP server on each port that it is told, which answers with what it saw.

`target.py NAME PORT...`; ready once it prints "ready". Paths: /slow/SECONDS answers late (and prints "entered"),
/health answers with the status that was set, /shaped?bytes=…&type=…&header=NAME:VALUE with such an answer. Commands on standard input: "open PORT", "close PORT", "health STATUS";
each is acknowledged by a line of its own.
"""

import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

NAME = sys.argv[1]
servers = {}
health = 200
lock = threading.Lock()


def say(line):
    with lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body leave together
    disable_nagle_algorithm = True

    def do_GET(self):
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        if self.path.startswith("/shaped?"):
            self.shaped(parse_qs(self.path.partition("?")[2]))
            return
        if self.path.startswith("/slow/"):
            say("entered " + self.path)
            time.sleep(float(self.path.rpartition("/")[2]))
        seen = {
            "name": NAME,
            "port": self.server.server_port,
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "peer": self.client_address[0],
        }
        body = json.dumps(seen).encode()
        self.send_response(health if self.path == "/health" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def shaped(self, wanted):
        body = b"0123456789abcdef" * (int(wanted["bytes"][0]) // 16)
        self.send_response(int(wanted.get("status", ["200"])[0]))
        self.send_header("content-type", wanted["type"][0])
        for each in wanted.get("header", ()):
            self.send_header(*each.split(":", 1))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def open_port(port):
    servers[port] = Server(("0.0.0.0", port), Handler)
    threading.Thread(target=servers[port].serve_forever, args=(0.02,), daemon=True).start()


def close_port(port):
    server = servers.pop(port)
    server.shutdown()
    server.socket.shutdown(socket.SHUT_RDWR)
    server.server_close()


for each in sys.argv[2:]:
    open_port(int(each))
say("ready")
for line in sys.stdin:
    command, value = line.split()
    if command == "open":
        open_port(int(value))
    elif command == "close":
        close_port(int(value))
    elif command == "health":
        health = int(value)
    say("done " + line.strip())
