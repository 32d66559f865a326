"""Private hosted zones and their VPCs, by the API's rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kunren.core.errors import AwsError
from kunren.services.ec2.model import Vpc

ME, OTHER = "000000000000", "111111111111"


def add_vpc(service: Any, id: str, account: str = ME, region: str = "us-east-1") -> dict[str, str]:
    service.store.register(Vpc)
    with service.store.write() as tx:
        tx.put(Vpc(account=account, region=region, id=id, cidr="10.0.0.0/16"))
    return {"VPCId": id, "VPCRegion": region}


def refused(call: Callable[..., Any], *arguments: Any, **params: Any) -> tuple[str, int]:
    with pytest.raises(AwsError) as caught:
        call(*arguments, **params)
    return caught.value.code, caught.value.status


def test_a_private_zone_has_its_vpcs_and_the_usual_records_without_a_delegation_set(service: Any) -> None:
    vpc = add_vpc(service, "vpc-1")
    made = service.call("create_hosted_zone", Name="corp.test", CallerReference="1", VPC=vpc)
    assert made["VPC"] == vpc
    assert made["DelegationSet"] is None
    assert made["HostedZone"]["Config"]["PrivateZone"] is True
    id = made["HostedZone"]["Id"]
    listed = service.call("list_resource_record_sets", HostedZoneId=id)["ResourceRecordSets"]
    assert [each["Value"] for each in listed[0]["ResourceRecords"]] == [
        "ns-1536.awsdns-00.co.uk.",
        "ns-0.awsdns-00.com.",
        "ns-1024.awsdns-00.org.",
        "ns-512.awsdns-00.net.",
    ]
    assert service.call("get_change", Id=made["ChangeInfo"]["Id"])["ChangeInfo"]["Status"] == "PENDING"
    service.settle()
    assert service.call("get_change", Id=made["ChangeInfo"]["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    private = service.call("list_hosted_zones", HostedZoneType="PrivateHostedZone")["HostedZones"]
    assert [each["Id"] for each in private] == [id]
    limit = service.call("get_hosted_zone_limit", HostedZoneId=id, Type="MAX_VPCS_ASSOCIATED_BY_ZONE")
    assert limit == {"Limit": {"Type": "MAX_VPCS_ASSOCIATED_BY_ZONE", "Value": 300}, "Count": 1}
    assert refused(service.call, "get_dnssec", HostedZoneId=id)[0] == "InvalidArgument"
    assert refused(service.call, "test_dns_answer", HostedZoneId=id, RecordName="corp.test", RecordType="NS") == (
        "InvalidInput",
        400,
    )


def test_what_a_private_zone_may_not_be(service: Any) -> None:
    vpc, foreign = add_vpc(service, "vpc-1"), add_vpc(service, "vpc-2", OTHER)
    call = service.call
    config = {"PrivateZone": True}
    assert refused(call, "create_hosted_zone", Name="a.test", CallerReference="1", HostedZoneConfig=config) == (
        "InvalidInput",
        400,
    )
    for wrong in ({**vpc, "VPCId": "vpc-9"}, {**vpc, "VPCRegion": "eu-west-1"}, foreign):
        assert refused(call, "create_hosted_zone", Name="a.test", CallerReference="1", VPC=wrong) == (
            "InvalidVPCId",
            400,
        )
    set_id = call("create_reusable_delegation_set", CallerReference="s")["DelegationSet"]["Id"]
    assert refused(call, "create_hosted_zone", Name="a.test", CallerReference="1", VPC=vpc, DelegationSetId=set_id) == (
        "InvalidInput",
        400,
    )
    call("create_hosted_zone", Name="a.test", CallerReference="1", VPC=vpc)
    call("create_hosted_zone", Name="b.a.test", CallerReference="2", VPC=vpc)
    assert refused(call, "create_hosted_zone", Name="A.test.", CallerReference="3", VPC=vpc) == (
        "ConflictingDomainExists",
        400,
    )
    public = service.zone("a.test", "4")
    assert refused(call, "associate_vpc_with_hosted_zone", HostedZoneId=public, VPC=vpc) == (
        "PublicZoneVPCAssociation",
        400,
    )


def test_vpcs_come_and_go_and_the_last_one_stays(service: Any) -> None:
    one, two = add_vpc(service, "vpc-1"), add_vpc(service, "vpc-2", region="eu-west-1")
    zone = service.zone("a.test", VPC=one)
    same = service.zone("a.test", "2", VPC=two)
    call = service.call
    for vpc in (one, two):  # the one is in the zone already, the other in a zone of the same name
        assert refused(call, "associate_vpc_with_hosted_zone", HostedZoneId=zone, VPC=vpc) == (
            "ConflictingDomainExists",
            400,
        )
    call("delete_hosted_zone", Id=same)
    call("associate_vpc_with_hosted_zone", HostedZoneId=zone, VPC=two, Comment="c")
    assert call("get_hosted_zone", Id=zone)["VPCs"] == [one, two]
    summaries = call("list_hosted_zones_by_vpc", VPCId="vpc-2", VPCRegion="eu-west-1")["HostedZoneSummaries"]
    assert [each["Name"] for each in summaries] == ["a.test."]
    call("disassociate_vpc_from_hosted_zone", HostedZoneId=zone, VPC=one)
    assert refused(call, "disassociate_vpc_from_hosted_zone", HostedZoneId=zone, VPC=one) == (
        "VPCAssociationNotFound",
        404,
    )
    assert refused(call, "disassociate_vpc_from_hosted_zone", HostedZoneId=zone, VPC=two) == ("LastVPCAssociation", 400)


def test_either_owner_ends_an_association_and_others_may_not(service: Any) -> None:
    one, foreign = add_vpc(service, "vpc-1"), add_vpc(service, "vpc-2", OTHER)
    zone = service.zone("a.test", VPC=one)
    call = service.call
    assert refused(call, "associate_vpc_with_hosted_zone", OTHER, HostedZoneId=zone, VPC=foreign) == (
        "NotAuthorizedException",
        401,
    )
    call("create_vpc_association_authorization", HostedZoneId=zone, VPC=foreign)
    # the zone's owner cannot associate a VPC that is not its own, authorized or not
    assert refused(call, "associate_vpc_with_hosted_zone", HostedZoneId=zone, VPC=foreign)[0] == (
        "NotAuthorizedException"
    )
    call("associate_vpc_with_hosted_zone", OTHER, HostedZoneId=zone, VPC=foreign)
    assert refused(call, "disassociate_vpc_from_hosted_zone", "222222222222", HostedZoneId=zone, VPC=foreign) == (
        "VPCAssociationNotFound",
        404,
    )
    call("disassociate_vpc_from_hosted_zone", OTHER, HostedZoneId=zone, VPC=foreign)
    call("delete_vpc_association_authorization", HostedZoneId=zone, VPC=foreign)
    assert refused(call, "delete_vpc_association_authorization", HostedZoneId=zone, VPC=foreign) == (
        "VPCAssociationAuthorizationNotFound",
        404,
    )


def test_a_public_zone_says_that_it_is_not_signed(service: Any) -> None:
    zone = service.zone()
    assert service.call("get_dnssec", HostedZoneId=zone) == {
        "Status": {"ServeSignature": "NOT_SIGNING"},
        "KeySigningKeys": [],
    }
    assert refused(service.call, "disable_hosted_zone_dnssec", HostedZoneId=zone) == ("DNSSECNotFound", 400)
