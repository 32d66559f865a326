"""From the answered API call to the data plane acting on it: rules, targets, certificates, records and listeners.

A watcher in a client place asks the load balancer (or the name server) without pause, every half millisecond or as fast
as the answers come, and notes when it first sees the change: what is measured includes the way there and back. The call
is made by boto3 on the host; the clock starts when its answer has been read. What was seen before that counts as 0.
For a target that leaves, it is the last answer that still came from it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import percentile, table, verdict
from benchmarks.instance import Instance
from benchmarks.site import Site, fixed, forward

SPEED = 20
"""Kunren's clock: health checks and draining pass so many times faster. Nothing that is measured waits for them."""
TIMES, TIMES_QUICK = 40, 4
TARGET_S, LISTENER_TARGET_S = 0.050, 0.250
_PORTS = {"rule": 80, "target": 81, "certificate": 443}


class Watcher:
    """`watcher.py` in a client place."""

    def __init__(self, kunren: Instance) -> None:
        script = str(Path(__file__).with_name("watcher.py"))
        self._process = subprocess.Popen(
            [*kunren.in_place(), sys.executable, "-u", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def seconds(self, wanted: dict[str, Any], change: Callable[[], object]) -> float:
        """Make the change while it looks; how long after the answer it was seen. Raises TimeoutError."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        assert self._line() == "looking"
        time.sleep(0.02)
        change()
        answered = time.monotonic()
        told = json.loads(self._line())
        if told["at"] is None:
            raise TimeoutError(f"never seen: {wanted}")
        return max(0.0, float(told["at"]) - answered)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


def run(quick: bool) -> Iterator[str]:
    times = TIMES_QUICK if quick else TIMES
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        kunren = stack.enter_context(Instance("--speed", str(SPEED)))
        site = Site(kunren)
        watcher = Watcher(kunren)
        stack.callback(watcher.end)
        for what, measure in MEASURED.items():
            found[what] = list(measure(site, watcher, times, stack))
    rows = []
    for what, seconds in found.items():
        target = LISTENER_TARGET_S if what.startswith("listener") else TARGET_S
        high = percentile(seconds, 99)
        rows.append(
            [
                what,
                str(len(seconds)),
                f"{percentile(seconds, 50) * 1000:.1f}",
                f"{high * 1000:.1f}",
                f"{target * 1000:.0f}",
                verdict(high < target),
            ]
        )
    yield table(["", "times", "p50, ms", "p99, ms", "aim, ms", "p99 within the aim"], rows)


def _rules(site: Site, watcher: Watcher, times: int, stack: ExitStack) -> Iterator[float]:
    listener = site.listener(_PORTS["rule"], fixed("nothing", "404"))
    rule = site.rule(listener, 1, "rule.test", fixed("version-0-"))
    for number in range(1, times + 1):
        body = f"version-{number}-"
        wanted = {"http": [site.node_address, _PORTS["rule"]], "host": "rule.test", "sees": body}
        yield watcher.seconds(wanted, partial(site.elb.modify_rule, RuleArn=rule, Actions=fixed(body)))


def _targets(site: Site, watcher: Watcher, times: int, stack: ExitStack) -> Iterator[float]:
    """Two targets, one of which is deregistered while requests come, and comes back healthy."""
    targets = []
    for name in ("first", "second"):
        script = str(Path(__file__).with_name("target.py"))
        process = subprocess.Popen(
            [*site.kunren.on_subnet(site.subnets[0], "--security-group", site.group), sys.executable, script, name],
            stderr=subprocess.PIPE,
            text=True,
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        assert process.stderr is not None
        targets.append((process.stderr.readline().split()[1].rstrip(","), 80))
    group = site.target_group("two")
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "0"}]
    site.elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=delay)
    site.listener(_PORTS["target"], forward(group))
    site.register(group, targets)
    for number in range(times):
        site.healthy(group, 2)
        leaving = number % 2
        wanted = {
            "http": [site.node_address, _PORTS["target"]],
            "host": "target.test",
            "gone": ("first", "second")[leaving],
            "quiet_s": 0.4,
        }
        yield watcher.seconds(wanted, partial(site.deregister, group, [targets[leaving]]))
        site.healthy(group, 1)
        site.register(group, [targets[leaving]])


def _certificates(site: Site, watcher: Watcher, times: int, stack: ExitStack) -> Iterator[float]:
    """A certificate is added to an HTTPS listener and shown to who asks for its name."""
    acm = site.kunren.client("acm")
    first, *others = [_imported(acm, f"name-{number}.test") for number in range(times + 1)]
    listener = site.listener(
        _PORTS["certificate"], fixed("secure"), Protocol="HTTPS", Certificates=[{"CertificateArn": first}]
    )
    for number, arn in enumerate(others, 1):
        name = f"name-{number}.test"
        wanted = {"http": [site.node_address, _PORTS["certificate"]], "host": name, "tls": name, "sees": name}
        added = [{"CertificateArn": arn}]
        change = partial(site.elb.add_listener_certificates, ListenerArn=listener, Certificates=added)
        yield watcher.seconds(wanted, change)
        site.elb.remove_listener_certificates(ListenerArn=listener, Certificates=added)


def _imported(acm: Any, name: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = made.public_bytes(serialization.Encoding.PEM)
    return str(acm.import_certificate(Certificate=certificate, PrivateKey=private)["CertificateArn"])


def _records(site: Site, watcher: Watcher, times: int, stack: ExitStack) -> Iterator[float]:
    """An A record is changed; asked at one of the zone's own name servers."""
    route53 = site.kunren.client("route53")
    made = route53.create_hosted_zone(Name="records.test", CallerReference="records")
    zone, server = made["HostedZone"]["Id"], made["DelegationSet"]["NameServers"][0]
    address = _resolved(site.kunren, server)
    for number in range(1, times + 1):
        value = f"192.0.2.{number}"
        wanted = {
            "dns": [address, 53],
            "query": question("www.records.test").hex(),
            "sees": bytes(map(int, value.split("."))).hex(),
        }
        yield watcher.seconds(wanted, partial(_upsert, route53, zone, value))


def _upsert(route53: Any, zone: str, value: str) -> None:
    record = {"Name": "www.records.test", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": value}]}
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def _resolved(kunren: Instance, name: str) -> str:
    told = subprocess.run([*kunren.in_place(), "getent", "ahostsv4", name], capture_output=True, text=True, check=True)
    return told.stdout.split()[0]


def question(name: str) -> bytes:
    """A DNS question for the name's A records (RFC 1035)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return bytes.fromhex("123400000001000000000000") + labels + bytes.fromhex("0000010001")


def _listeners(site: Site, watcher: Watcher, times: int, stack: ExitStack) -> Iterator[float]:
    """A listener is made on a port where none was, and answers."""
    for number in range(times):
        port = 9000 + number
        body = f"listener-{port}-"
        wanted = {"http": [site.node_address, port], "host": "new.test", "sees": body, "fresh": True}
        yield watcher.seconds(wanted, partial(site.listener, port, fixed(body)))
        site.delete_listener(port)


MEASURED: dict[str, Callable[[Site, Watcher, int, ExitStack], Iterator[float]]] = {
    "rule modified": _rules,
    "target deregistered": _targets,
    "certificate added": _certificates,
    "record changed": _records,
    "listener created": _listeners,
}
