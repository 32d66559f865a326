"""DNS answers per second and their p99 by routing policy, beside PowerDNS with the same records.

dnsperf (100 questions in flight) and PowerDNS run in the client place Tokyo; Kunren's name server is asked over the
world's links, a hop more. PowerDNS has Lua records in one shared state, its fastest way to have policies (`pickwrandom`,
`view` by the client's network, `ifportup` with a live check), and its packet cache as Debian configures it. Both
are asked for a plain record too, which either answers from what it kept. Kunren's records: weighted 3 to 1; latency
over three regions; failover with a health check that its checkers really run. The p99 is taken at 500 questions a second,
where nobody queues. What a signature adds is measured in the process, with no packets.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.message
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.figures import percentile, ratios, spread, table, verdict
from benchmarks.instance import Instance
from benchmarks.proxies import find
from benchmarks.site import until
from kunren.core.entropy import Entropy
from kunren.dataplane.dns.answer import answer
from kunren.dataplane.dns.message import Query, build_response, parse_query
from kunren.dataplane.dns.names import to_wire
from kunren.dataplane.dns.policies import Client
from kunren.dataplane.dns.signing import ZoneSigner, signed
from kunren.dataplane.dns.zones import NS, A, Records, Zone, Zones

ZONE = "bench.test"
KINDS = ("plain", "weighted", "latency", "failover")
PLACE = "tokyo"
PEER_PORT = 5300
ASKED_PER_S = 500
IN_FLIGHT = 100
WANTED = 0.1
ADDRESS = "192.0.2.%d"
_RECORDS = f"""$ORIGIN {ZONE}.
$TTL 60
@ IN SOA ns h 1 7200 900 1209600 86400
@ IN NS ns
ns IN A 192.0.2.53
plain IN A 192.0.2.1
weighted IN LUA A "pickwrandom({{{{3,'192.0.2.1'}},{{1,'192.0.2.2'}}}})"
latency IN LUA A "view({{{{{{'198.18.65.0/24'}},{{'192.0.2.3'}}}},{{{{'198.18.67.0/24'}},{{'192.0.2.2'}}}},{{{{'0.0.0.0/0'}},{{'192.0.2.1'}}}}}})"
failover IN LUA A "ifportup({PEER_PORT},{{'127.0.0.1','192.0.2.2'}})"
"""


@dataclass(slots=True)
class Subject:
    """Who is asked for what, and what came of it: answers a second, and p99 in milliseconds, a round each."""

    name: str
    kind: str
    address: str
    port: int
    rates: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def measure(self, kunren: Instance, folder: Path, seconds: float) -> None:
        questions = folder / f"{self.kind}.txt"
        questions.write_text(f"{self.kind}.{ZONE} A\n")
        command = [
            *kunren.in_place(PLACE), find("dnsperf"), "-s", self.address, "-p", str(self.port), "-d", str(questions),
            "-l", f"{seconds:.0f}", "-c", "4", "-T", "1",
        ]  # fmt: skip
        told = _output([*command, "-q", str(IN_FLIGHT)])
        lost = re.search(r"Queries lost:\s+(\d+)", told)
        rate = re.search(r"Queries per second:\s+([\d.]+)", told)
        if rate is None or lost is None or int(lost[1]) > 100:
            raise RuntimeError(f"{self.name} did not answer: {told}")
        self.rates.append(float(rate[1]))
        told = _output([*command, "-v", "-Q", str(ASKED_PER_S)])
        times = [float(each) for each in re.findall(r"^> NOERROR \S+ A ([\d.]+)$", told, re.M)]
        self.p99_ms.append(1000 * percentile(times, 99))


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def run(quick: bool = False) -> Iterator[str]:
    rounds, seconds = (1, 1.0) if quick else (3, 2.0)
    folder = Path(tempfile.mkdtemp(prefix="kunren-bench-dns-"))
    try:
        with Instance() as kunren, _powerdns(kunren, folder):
            server = _zone(kunren)
            subjects = [
                subject
                for kind in KINDS
                for subject in (
                    Subject("Kunren", kind, server, 53),
                    Subject("PowerDNS", kind, "127.0.0.1", PEER_PORT),
                )
            ]
            for _ in range(rounds):
                for each in subjects:
                    each.measure(kunren, folder, seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    yield from _told(subjects, rounds, seconds)
    yield signing_told(1_000 if quick else 10_000)


def _zone(kunren: Instance) -> str:
    """The hosted zone with its records, served; the address of one of its name servers."""
    route53 = kunren.client("route53")
    made = route53.create_hosted_zone(Name=ZONE, CallerReference="1")
    zone_id, server = made["HostedZone"]["Id"], made["DelegationSet"]["NameServers"][0]
    check = route53.create_health_check(
        CallerReference="1", HealthCheckConfig={"Type": "TCP", "IPAddress": "198.18.0.2", "Port": 53}
    )["HealthCheck"]["Id"]
    given: dict[str, list[dict[str, Any]]] = {
        "plain": [{}],
        "weighted": [{"Weight": 3}, {"Weight": 1}],
        "latency": [{"Region": each} for each in ("us-east-1", "eu-west-2", "ap-northeast-1")],
        "failover": [{"Failover": "PRIMARY", "HealthCheckId": check}, {"Failover": "SECONDARY"}],
    }
    changes = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {
                "Name": f"{kind}.{ZONE}", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": ADDRESS % number}],
                **({"SetIdentifier": str(number)} if more else {}), **more,
            },
        }
        for kind, several in given.items()
        for number, more in enumerate(several, 1)
    ]  # fmt: skip
    change = route53.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})["ChangeInfo"]
    until(lambda: route53.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC", "the zone served")
    found = kunren.cli("exec", "--from", PLACE, "--", find("dig"), "+short", server)
    return found.split()[0]


@contextmanager
def _powerdns(kunren: Instance, folder: Path) -> Iterator[None]:
    """PowerDNS in the client place, until the block is left."""
    modules = next(Path(find("pdns_server")).parent.parent.rglob("libbindbackend.so"), None)
    modules = modules or next(Path("/usr/lib").rglob("pdns/libbindbackend.so"), None)
    if modules is None:
        raise RuntimeError("PowerDNS's bind backend is not here: make bench brings it (pdns-backend-bind)")
    (folder / "zone").write_text(_RECORDS)
    (folder / "named.conf").write_text(f'zone "{ZONE}" {{ type master; file "{folder}/zone"; }};\n')
    settings = {
        "launch": "bind", "bind-config": folder / "named.conf", "module-dir": modules.parent, "local-port": PEER_PORT,
        "enable-lua-records": "shared", "local-address": "127.0.0.1", "socket-dir": folder, "loglevel": 3,
        "security-poll-suffix": "", "setuid": "", "setgid": "", "daemon": "no", "guardian": "no",
    }  # fmt: skip
    (folder / "pdns.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    command = [*kunren.in_place(PLACE), find("pdns_server"), f"--config-dir={folder}"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            asked = [*kunren.in_place(PLACE), find("dig"), "+short", "+time=1", "+tries=1", "@127.0.0.1"]
            question = ["-p", str(PEER_PORT), f"failover.{ZONE}"]
            until(lambda: "127.0.0.1" in _output([*asked, *question]), "PowerDNS answering")
            yield
        finally:
            server.terminate()


def _told(subjects: list[Subject], rounds: int, seconds: float) -> Iterator[str]:
    rows, missed = [], []
    for kind in KINDS:
        ours, theirs = (
            next(e for e in subjects if (e.name, e.kind) == (name, kind)) for name in ("Kunren", "PowerDNS")
        )
        share = ratios(ours.rates, theirs.rates)
        rows.append([
            kind, spread(ours.rates), spread(theirs.rates), f"{share:.2f}", spread(ours.p99_ms, 2),
            spread(theirs.p99_ms, 2),
        ])  # fmt: skip
        missed.append(f"{kind} {share:.2f}: {verdict(share >= WANTED)}")
    columns = (
        "record", "Kunren, answers/s", "PowerDNS, answers/s", "of PowerDNS", "Kunren p99, ms", "PowerDNS p99, ms"
    )  # fmt: skip
    yield f"{rounds} rounds of {seconds:.0f} s, medians [range]; p99 at {ASKED_PER_S} questions a second."
    yield table(columns, rows)
    yield f"Aimed at: {WANTED} of PowerDNS. {'; '.join(missed)}."


def signing_told(names: int) -> str:
    """What answers of a signed zone cost, each of another name: without DNSSEC, signed anew, signed before."""
    zone, queries = _signed_zone(), {do: [_question(f"n{each}", do) for each in range(names)] for do in (False, True)}
    took = [_answering(zone, queries[do]) for do in (False, True, True)]
    plain, anew, again = (1e6 * each / names for each in took)
    return (
        f"Signing, in the process: an answer for {names:,} names takes {plain:.0f} µs without DNSSEC, {anew:.0f} µs when "
        f"it is signed, {again:.0f} µs when it was signed the same day."
    )


def _question(label: str, do: bool) -> Query:
    query = parse_query(dns.message.make_query(f"{label}.{ZONE}", "A", want_dnssec=do).to_wire())
    assert isinstance(query, Query)
    return query


def _signed_zone() -> Zone:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    apex, servers = to_wire(ZONE), tuple(to_wire(f"ns{each}.{ZONE}") for each in range(4))
    nodes = {
        apex: {NS: Records(172_800, servers)},
        to_wire(f"*.{ZONE}"): {A: Records(60, (bytes((192, 0, 2, 1)),))},
    }
    return Zone.build("Z", apex, nodes, signing=ZoneSigner(apex, pem, ()))


def _answering(zone: Zone, queries: list[Query]) -> float:
    """Seconds from question to packet, all of them."""
    zones, chance, client = Zones(), Entropy(1), Client()
    now, began = time.time(), time.perf_counter()
    for query in queries:
        reply = answer(zones, zone, query.name, query.rtype, client, chance)
        if query.do:
            reply = signed(zone, query.rtype, query.name, reply, now)
        build_response(query, reply, recursive=False, limit=query.udp_size)
    return time.perf_counter() - began
