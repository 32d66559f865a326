"""The validator against a DNS that the test holds in its hand, in simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from cryptography import x509

from kunren.control.store import Resource, Store
from kunren.core.ca import CertificateAuthority
from kunren.core.clock import SimClock, SystemClock
from kunren.core.context import RequestContext
from kunren.core.entropy import Entropy
from kunren.services.acm.api import AcmApi
from kunren.services.acm.controllers import CertificateController
from kunren.services.acm.material import certificate_material, find_certificate
from kunren.services.acm.model import Certificate

CTX = RequestContext(account="111122223333", region="us-east-1", service="acm", operation="", request_id="r")
WALL = SystemClock().wall()


class Zone(Resource, frozen=True, kw_only=True):
    kind: ClassVar[str] = "route53.zone-for-test"


class Bench:
    def __init__(self, tmp_path: Path, store: Store | None = None) -> None:
        self.clock = SimClock(WALL)
        self.store = store or Store(None)
        self.dns: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.broken = False
        self.users: dict[str, list[str]] = {}
        self.caa_records: list[str] = []
        self.ca = CertificateAuthority.open(tmp_path / "ca", self.clock)
        self.api = AcmApi(self.store, self.clock, Entropy(7), in_use_by=lambda _, arn: self.users.get(arn, []))
        self.store.register(Zone)
        self.controller = CertificateController(
            self.store, self.clock, self.ca, self.lookup, in_use_by=lambda _, arn: self.users.get(arn, []), caa=self.caa
        )

    async def lookup(self, name: str) -> list[str]:
        self.asked.append(name)
        if self.broken:
            raise OSError("no resolver")
        return self.dns.get(name.rstrip("."), [])

    async def caa(self, name: str) -> list[str]:
        return self.caa_records

    def request(self, *names: str, **params: Any) -> str:
        wanted = {"DomainName": names[0], "ValidationMethod": "DNS", "KeyAlgorithm": "EC_prime256v1", **params}
        if names[1:]:
            wanted["SubjectAlternativeNames"] = list(names[1:])
        return str(self.api.request_certificate(CTX, wanted)["CertificateArn"])

    def row(self, arn: str) -> Certificate:
        found = find_certificate(self.store.snapshot(), arn)
        assert found is not None
        return found

    def prove(self, arn: str, *names: str) -> None:
        for each in self.row(arn).validation:
            if each.domain_name in names or not names:
                self.dns[each.record_name.rstrip(".")] = [each.record_value.upper()]

    def change_route53(self) -> None:
        with self.store.write() as tx:
            tx.put(Zone(account=CTX.account, region="", id=str(self.store.generation)))

    async def until(self, condition: Callable[[], bool], advance: float = 0.0) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.clock.advance(advance)
                await asyncio.sleep(0.002)

    def run(self, story: Callable[[Bench], Any]) -> None:
        async def main() -> None:
            task = asyncio.get_running_loop().create_task(self.controller.run())
            try:
                await story(self)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(main())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_certificate_is_issued_when_every_name_is_proven_and_not_before(bench: Bench) -> None:
    async def story(bench: Bench) -> None:
        arn = bench.request("example.com", "*.example.com", "example.org")
        await bench.until(lambda: len(bench.asked) >= 2)
        assert bench.row(arn).status == "PENDING_VALIDATION"
        bench.prove(arn, "example.com")
        bench.change_route53()
        await bench.until(lambda: bench.row(arn).validation[0].status == "SUCCESS")
        assert [each.status for each in bench.row(arn).validation] == ["SUCCESS", "SUCCESS", "PENDING_VALIDATION"]
        assert bench.row(arn).status == "PENDING_VALIDATION"
        assert certificate_material(bench.store.snapshot(), arn) is None
        bench.prove(arn, "example.org")
        bench.change_route53()
        await bench.until(lambda: bench.row(arn).status == "ISSUED")
        material = certificate_material(bench.store.snapshot(), arn)
        assert material is not None
        leaf = x509.load_pem_x509_certificate(material.certificate_pem.encode())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["example.com", "*.example.com", "example.org"]
        assert bench.ca.ca_pem in material.chain_pem
        detail = bench.api.describe_certificate(CTX, {"CertificateArn": arn})["Certificate"]
        assert detail["IssuedAt"] == bench.clock.now()
        assert detail["NotAfter"] - detail["NotBefore"] == 198 * 86400 - 1
        assert detail["KeyAlgorithm"] == "EC-prime256v1"

    bench.run(story)


def test_a_record_with_another_value_proves_nothing(bench: Bench) -> None:
    async def story(bench: Bench) -> None:
        arn = bench.request("example.com")
        bench.dns[bench.row(arn).validation[0].record_name.rstrip(".")] = ["_other.acm-validations.aws."]
        await bench.until(lambda: len(bench.asked) >= 5, advance=1)
        assert bench.row(arn).status == "PENDING_VALIDATION"

    bench.run(story)


def test_polling_alone_finds_a_record_and_survives_a_broken_resolver(bench: Bench) -> None:
    async def story(bench: Bench) -> None:
        arn = bench.request("example.com")
        bench.broken = True
        await bench.until(lambda: len(bench.asked) >= 3, advance=1)
        bench.broken = False
        bench.prove(arn)
        await bench.until(lambda: bench.row(arn).status == "ISSUED", advance=1)

    bench.run(story)


def test_the_same_name_validates_at_once_for_a_second_request(bench: Bench) -> None:
    async def story(bench: Bench) -> None:
        first = bench.request("example.com")
        bench.prove(first)
        second = bench.request("*.example.com")
        await bench.until(lambda: bench.row(first).status == bench.row(second).status == "ISSUED")  # in either order

    bench.run(story)


def test_a_request_times_out_after_72_hours(bench: Bench) -> None:
    async def story(bench: Bench) -> None:
        arn = bench.request("example.com", "example.org")
        bench.prove(arn, "example.com")
        await bench.until(lambda: bench.row(arn).validation[0].status == "SUCCESS", advance=1)
        created = bench.row(arn).created_at
        bench.clock.advance(created + 72 * 3600 - 2 - bench.clock.now())
        bench.change_route53()
        asked = len(bench.asked)
        await bench.until(lambda: len(bench.asked) > asked)
        assert bench.row(arn).status == "PENDING_VALIDATION"
        await bench.until(lambda: bench.row(arn).status != "PENDING_VALIDATION", advance=0.5)
        assert bench.clock.now() - created >= 72 * 3600
        assert bench.row(arn).status == "VALIDATION_TIMED_OUT"
        assert [each.status for each in bench.row(arn).validation] == ["SUCCESS", "FAILED"]

    bench.run(story)


def test_a_certificate_deleted_while_it_waits_stays_deleted(bench: Bench) -> None:
    async def story(bench: Bench) -> None:
        arn = bench.request("example.com")
        await bench.until(lambda: len(bench.asked) >= 1)
        bench.prove(arn)
        bench.api.delete_certificate(CTX, {"CertificateArn": arn})
        other = bench.request("example.com")
        await bench.until(lambda: bench.row(other).status == "ISSUED", advance=1)
        assert find_certificate(bench.store.snapshot(), arn) is None
        assert bench.controller.status() == {"waiting_for_dns": 0, "errors": {}}

    bench.run(story)


def test_a_pending_request_is_taken_up_again_after_a_restart(tmp_path: Path) -> None:
    before = Bench(tmp_path, Store(tmp_path / "state.db"))
    arn = before.request("example.com")
    before.store.close()
    after = Bench(tmp_path, Store(tmp_path / "state.db"))
    after.prove(arn)

    async def story(bench: Bench) -> None:
        await bench.until(lambda: bench.row(arn).status == "ISSUED")
        await bench.store.durable()

    after.run(story)
    after.store.close()
    again = Bench(tmp_path, Store(tmp_path / "state.db"))
    assert certificate_material(again.store.snapshot(), arn) == certificate_material(after.store.snapshot(), arn)
    again.store.close()


def test_an_issued_certificate_in_use_is_renewed_under_its_arn_45_days_before_its_end(bench: Bench) -> None:
    async def story(bench: Bench) -> None:
        used, unused = bench.request("example.com"), bench.request("example.org")
        bench.prove(used)
        bench.prove(unused)
        await bench.until(lambda: all(bench.row(arn).status == "ISSUED" for arn in (used, unused)))
        bench.users[used] = ["arn:aws:elasticloadbalancing:us-east-1:111122223333:listener/app/a/1/2"]
        first = {arn: bench.row(arn).facts for arn in (used, unused)}
        assert first[used] is not None
        bench.clock.advance(first[used].not_after - 45 * 86400 - 7 * 3600 - bench.clock.wall())
        await asyncio.sleep(0.02)
        assert bench.row(used).facts == first[used]
        await bench.until(lambda: bench.row(used).facts != first[used], advance=3600)
        renewed = bench.row(used)
        assert renewed.facts is not None
        assert renewed.facts.not_after > first[used].not_after
        assert msgspec.structs.asdict(renewed)["renewal"].status == "SUCCESS"
        assert bench.row(unused).facts == first[unused]

    bench.run(story)


def test_a_renewal_waits_for_the_record_that_is_gone(bench: Bench) -> None:
    async def story(bench: Bench) -> None:
        arn = bench.request("example.com")
        bench.prove(arn)
        await bench.until(lambda: bench.row(arn).status == "ISSUED")
        bench.users[arn] = ["listener"]
        bench.dns.clear()
        facts = bench.row(arn).facts
        assert facts is not None
        bench.clock.advance(facts.not_after - 44 * 86400 - bench.clock.wall())
        await bench.until(lambda: bench.row(arn).renewal is not None, advance=3600)
        shown = bench.api.describe_certificate(CTX, {"CertificateArn": arn})["Certificate"]
        assert shown["RenewalSummary"]["RenewalStatus"] == "PENDING_VALIDATION"
        bench.prove(arn)
        await bench.until(lambda: bench.row(arn).facts != facts, advance=3600)

    bench.run(story)


def test_records_of_another_authority_stop_issuance_and_renewal(bench: Bench) -> None:
    async def story(bench: Bench) -> None:
        arn = bench.request("example.com")
        bench.prove(arn)
        await bench.until(lambda: bench.row(arn).status == "ISSUED")
        bench.users[arn] = ["listener"]
        bench.caa_records = ['0 issue "another.test"']
        other = bench.request("example.com")
        await bench.until(lambda: bench.row(other).status == "FAILED")
        shown = bench.api.describe_certificate(CTX, {"CertificateArn": other})["Certificate"]
        assert shown["FailureReason"] == "CAA_ERROR"
        assert [each["ValidationStatus"] for each in shown["DomainValidationOptions"]] == ["SUCCESS"]
        facts = bench.row(arn).facts
        assert facts is not None
        bench.clock.advance(facts.not_after - 44 * 86400 - bench.clock.wall())
        await bench.until(lambda: bench.row(arn).renewal is not None, advance=3600)
        summary = bench.api.describe_certificate(CTX, {"CertificateArn": arn})["Certificate"]["RenewalSummary"]
        assert (summary["RenewalStatus"], summary["RenewalStatusReason"]) == ("FAILED", "CAA_ERROR")
        assert bench.row(arn).facts == facts

    bench.run(story)
