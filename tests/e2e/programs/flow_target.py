"""A target of raw connections and datagrams: `flow_target.py NAME PORT...`; ready once it prints "ready".
With PORT=FILE it speaks TLS there with the certificate and key of the file.

On a TCP connection it says "NAME PEER" (and the version of TLS), then repeats what it hears; a PROXY protocol header (version 2) it answers with
"proxy ADDRESS PORT". A datagram it answers with "NAME PEER". Commands on standard input, each acknowledged by a line:
"close PORT" stops listening (connections that are there go on), "open PORT" listens again.
"""

import socket
import ssl
import struct
import sys
import threading

NAME = sys.argv[1]
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
listening = {}
lock = threading.Lock()


def say(line):
    with lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def converse(connection, peer, context):
    with connection:
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            version = connection.version() if context is not None else ""
            connection.sendall(f"{NAME} {peer[0]} {version}\n".encode())
            while heard := connection.recv(65536):
                if heard.startswith(SIGNATURE):
                    length = struct.unpack("!H", heard[14:16])[0]
                    source, port = socket.inet_ntoa(heard[16:20]), struct.unpack("!H", heard[24:26])[0]
                    connection.sendall(f"proxy {source} {port}\n".encode())
                    heard = heard[16 + length :]
                if heard:
                    connection.sendall(heard)
        except OSError:
            pass


def accept(listener, context):
    while True:
        try:
            connection, peer = listener.accept()
        except OSError:
            return
        threading.Thread(target=converse, args=(connection, peer, context), daemon=True).start()


def answer(datagrams):
    while True:
        _, peer = datagrams.recvfrom(65536)
        datagrams.sendto(f"{NAME} {peer[0]}\n".encode(), peer)


def open_port(port, context=None):
    listener = socket.create_server(("0.0.0.0", port), backlog=128)
    listening[port] = listener
    threading.Thread(target=accept, args=(listener, context), daemon=True).start()


for each, _, pem in (argument.partition("=") for argument in sys.argv[2:]):
    each, secure = int(each), None
    if pem:
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(pem)
    open_port(each, secure)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("0.0.0.0", each))
    threading.Thread(target=answer, args=(datagrams,), daemon=True).start()
say("ready")
for line in sys.stdin:
    command, port = line.split()
    if command == "open":
        open_port(int(port))
    elif command == "close":
        listener = listening.pop(int(port))
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    say("done " + line.strip())
