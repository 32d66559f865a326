"""A client of raw connections and datagrams: reads lines of JSON on standard input, answers each with one.

{"open": [ADDRESS, PORT], "tls": [ALPN…], "timeout"} opens a connection that is kept: {"id", "said"} with what the other
end said first, and {"alpn", "tls"}; {"send": ID, "text"} what it answers to a text; {"wait": ID} what comes next ("" at
the end); {"datagrams": [ADDRESS, PORT], "times", "hex"} the answers to so many datagrams, each from a socket of its own;
{"many": [ADDRESS, PORT], "count", "udp"} so many flows, each from a socket of its own: {"said"} counts the first words
of the answers ("" for none); {"address": true} the client's own address. Failures are {"error": NAME}.
"""

import collections
import json
import selectors
import socket
import ssl
import sys

connections = {}


def open_connection(wanted):
    host, port = wanted["open"]
    connection = socket.create_connection((host, port), wanted.get("timeout", 10))
    answer = {"id": len(connections)}
    if "tls" in wanted:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if wanted["tls"]:
            context.set_alpn_protocols(wanted["tls"])
        connection = context.wrap_socket(connection, server_hostname=wanted.get("name"))
        answer.update(alpn=connection.selected_alpn_protocol(), tls=connection.version())
    connections[answer["id"]] = connection
    if wanted.get("hears", True):
        answer["said"] = connection.recv(65536).decode().split()
    return answer


def send(wanted):
    connection = connections[wanted["send"]]
    connection.sendall(wanted["text"].encode())
    return {"said": connection.recv(65536).decode().split()}


def wait(wanted):
    connection = connections[wanted["wait"]]
    connection.settimeout(wanted.get("timeout", 10))
    return {"said": connection.recv(65536).decode().split()}


def datagrams(wanted):
    said = []
    for _ in range(wanted.get("times", 1)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(wanted.get("timeout", 10))
            one.connect(tuple(wanted["datagrams"]))
            one.send(bytes.fromhex(wanted["hex"]) if "hex" in wanted else b"hello")
            said.append(one.recv(65536).decode().split())
    return {"said": said}


def many(wanted):
    said, left = collections.Counter(), wanted["count"]
    while left:
        waiting = selectors.DefaultSelector()
        batch = min(left, AT_A_TIME)
        left -= batch
        for _ in range(batch):
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if wanted.get("udp") else socket.SOCK_STREAM)
            one.setblocking(False)
            one.connect_ex(tuple(wanted["many"]))
            if wanted.get("udp"):
                one.send(b"hello")
            waiting.register(one, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(wanted.get("timeout", 10))
            for key, _ in ready:
                try:
                    answer = key.fileobj.recv(65536).decode().split()
                except OSError:
                    answer = []
                said[answer[0] if answer else ""] += 1
                waiting.unregister(key.fileobj)
                key.fileobj.close()
            if not ready:
                for key in list(waiting.get_map().values()):
                    said[""] += 1
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()
    return {"said": said}


def address(_):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("198.18.0.2", 53))  # no packet is sent for it
        return {"said": one.getsockname()[0]}


AT_A_TIME = 100
DO = {"many": many, "open": open_connection, "send": send, "wait": wait, "datagrams": datagrams, "address": address}
for line in sys.stdin:
    wanted = json.loads(line)
    try:
        answered = DO[next(each for each in wanted if each in DO)](wanted)
    except OSError as error:
        answered = {"error": type(error).__name__}
    sys.stdout.write(json.dumps(answered) + "\n")
    sys.stdout.flush()
