"""Domain validations against a DNS and a Route 53 that the test holds in its hand."""

from __future__ import annotations

import pytest

ZONE = "Z0123456789ABC"


def test_a_domain_is_valid_once_its_record_is_seen(bench) -> None:
    arn = bench.allow(bench.endpoint(), "example.com")

    async def story() -> None:
        bench.clock.advance(3600)
        bench.prove(arn)
        bench.touch_route53()
        await bench.until(lambda: bench.validation(arn)["Status"] == "VALID")
        assert bench.called == []

    bench.run(story)


def test_acm_makes_the_record_in_a_hosted_zone(bench) -> None:
    arn = bench.allow(bench.endpoint(), "example.com", zone=ZONE)

    async def story() -> None:
        await bench.until(lambda: bench.validation(arn)["Status"] == "VALID")
        ((account, service, operation, params),) = bench.called
        assert (account, service, operation) == ("111122223333", "route53", "ChangeResourceRecordSets")
        record = bench.validation(arn)["PrevalidationDetails"]["DnsPrevalidation"]["ResourceRecord"]
        assert params == {
            "HostedZoneId": ZONE,
            "ChangeBatch": {
                "Changes": [
                    {
                        "Action": "UPSERT",
                        "ResourceRecordSet": {
                            "Name": record["Name"],
                            "Type": "CNAME",
                            "TTL": 300,
                            "ResourceRecords": [{"Value": record["Value"]}],
                        },
                    }
                ]
            },
        }

    bench.run(story)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("NoSuchHostedZone", "HOSTED_ZONE_NOT_FOUND"),
        ("InvalidChangeBatch", "INVALID_CHANGE_BATCH"),
        ("AccessDenied", "ACCESS_DENIED"),
        ("PriorRequestNotComplete", "INTERNAL_FAILURE"),
    ],
)
def test_what_route_53_refuses_is_the_failure_until_a_zone_is_given_anew(bench, code, reason) -> None:
    bench.route53_refuses = code, "Because."
    arn = bench.allow(bench.endpoint(), "example.com", zone=ZONE)

    async def story() -> None:
        await bench.until(lambda: bench.validation(arn)["Status"] == "INVALID")
        assert bench.validation(arn)["FailureDetails"] == {"Reason": reason, "Message": "Because."}
        bench.route53_refuses = None
        options = {"DnsPrevalidation": {"DomainScope": {"ExactDomain": "ENABLED"}, "HostedZoneId": ZONE}}
        bench("update_acme_domain_validation", AcmeDomainValidationArn=arn, PrevalidationOptions=options)
        await bench.until(lambda: bench.validation(arn)["Status"] == "VALID")
        assert "FailureDetails" not in bench.validation(arn)

    bench.run(story)


@pytest.mark.parametrize(("value", "reason"), [(None, "TIMED_OUT"), ("elsewhere.test.", "DOMAIN_MISMATCH")])
def test_after_72_hours_without_the_record_a_validation_is_invalid(bench, value, reason) -> None:
    arn = bench.allow(bench.endpoint(), "example.com")
    if value:
        bench.prove(arn, value)

    async def story() -> None:
        await bench.until(lambda: bench.validation(arn)["Status"] == "INVALID", advance=600)
        assert bench.validation(arn)["FailureDetails"]["Reason"] == reason
        lasted = bench.validation(arn)["UpdatedAt"] - bench.validation(arn)["CreatedAt"]
        assert 72 * 3600 <= lasted < 73 * 3600

    bench.run(story)
