"""Anycast static IP lists: a distribution answers on its list's addresses, in every city, and on no others."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError


def refused(code, status, call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_distribution_answers_on_the_addresses_of_its_list_alone(delivered, kunren, until):
    api = delivered.api
    refused("InvalidArgument", 400, api.create_anycast_ip_list, Name="own", IpCount=4)
    refused("NotImplemented", 501, api.create_anycast_ip_list, Name="own", IpCount=3, IpAddressType="dualstack")
    made = api.create_anycast_ip_list(Name="own", IpCount=3, Tags={"Items": [{"Key": "team", "Value": "edge"}]})
    own, etag = made["AnycastIpList"], made["ETag"]
    addresses = own["AnycastIps"]
    assert (own["Arn"].rpartition("/")[2], own["IpCount"], len(set(addresses))) == (own["Id"], 3, 3)
    assert api.list_tags_for_resource(Resource=own["Arn"])["Tags"]["Items"] == [{"Key": "team", "Value": "edge"}]
    refused("EntityAlreadyExists", 409, api.create_anycast_ip_list, Name="own", IpCount=21)
    until(lambda: api.get_anycast_ip_list(Id=own["Id"])["AnycastIpList"]["Status"] == "Deployed", "the list deployed")
    assert [each["Id"] for each in api.list_anycast_ip_lists()["AnycastIpLists"]["Items"]] == [own["Id"]]

    delivered.create(IsIPV6Enabled=True)
    plain = kunren.exec("dig", "+short", delivered.name, place="tokyo").stdout.split()
    assert not set(plain) & set(addresses)
    refused("EntityNotFound", 404, delivered.change, AnycastIpListId="aip_none")
    delivered.change(AnycastIpListId=own["Id"])
    listed = api.list_distributions_by_anycast_ip_list_id(AnycastIpListId=own["Id"])["DistributionList"]["Items"]
    assert [(each["Id"], each["AnycastIpListId"]) for each in listed] == [(delivered.id, own["Id"])]

    def curl(place, address):
        """The status, and the page of a refusal."""
        found = kunren.exec(
            "curl", "-sS", "-w", "%{http_code}", "--resolve", f"{delivered.name}:443:{address}",
            f"https://{delivered.name}/", place=place,
        ).stdout  # fmt: skip
        return found[-3:], found[:-3]

    for place, own_addresses in (("tokyo", addresses[:2]), ("london", addresses[2:])):
        until(
            lambda place=place: (
                sorted(kunren.exec("dig", "+short", delivered.name, place=place).stdout.split()) == sorted(addresses)
            ),
            "the list's addresses by DNS",
        )
        assert {curl(place, each)[0] for each in own_addresses} == {"200"}
    status, page = curl("tokyo", plain[0])
    assert (status, "The request landed on IP not associated with its distribution." in page) == ("403", True)
    told = kunren.run("trace", "--from", "tokyo", "--json", f"https://{delivered.name}/")
    assert told.returncode == 0, told.stdout + told.stderr
    assert json.loads(told.stdout)["observed"]["status"] == 200

    refused("CannotDeleteEntityWhileInUse", 409, api.delete_anycast_ip_list, Id=own["Id"], IfMatch=etag)
    delivered.change(AnycastIpListId="")
    assert curl("tokyo", plain[0])[0] == "200"
    assert curl("tokyo", addresses[0])[0] == "403"
    refused("PreconditionFailed", 412, api.delete_anycast_ip_list, Id=own["Id"], IfMatch="ENONE")
    api.delete_anycast_ip_list(Id=own["Id"], IfMatch=etag)
    refused("EntityNotFound", 404, api.get_anycast_ip_list, Id=own["Id"])
