"""VPC origins: an internal load balancer that only the edge's own interfaces reach."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

NO_CACHING = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
SERVICE_GROUP = "CloudFront-VPCOrigins-Service-SG"


def code(call, **given):
    with pytest.raises(ClientError) as caught:
        call(**given)
    return caught.value.response["Error"]["Code"]


def test_the_edge_reaches_an_internal_load_balancer_from_the_group_that_it_lets_in(delivered, site, until):
    api, ec2, elb = delivered.api, site.ec2, site.elb
    inside = ec2.create_security_group(GroupName="inside", Description="inside", VpcId=site.vpc)["GroupId"]
    balancer = elb.create_load_balancer(
        Name="inside", Scheme="internal", Subnets=site.subnets, SecurityGroups=[inside]
    )["LoadBalancers"][0]  # fmt: skip
    arn = balancer["LoadBalancerArn"]
    response = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": "from inside"}
    elb.create_listener(
        LoadBalancerArn=arn, Port=8080, Protocol="HTTP",
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": response}],
    )  # fmt: skip

    def endpoint(arn, name="inside"):
        config = {
            "Name": name, "Arn": arn, "HTTPPort": 8080, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"
        }  # fmt: skip
        return {"VpcOriginEndpointConfig": config}

    assert code(api.create_vpc_origin, **endpoint(site.arn)) == "InvalidArgument", "it is internet-facing"
    assert code(api.create_vpc_origin, **endpoint("arn:aws:s3:::bucket")) == "InvalidArgument"
    instance = f"arn:aws:ec2:us-east-1:{delivered.account}:instance/i-0123456789abcdef0"
    assert code(api.create_vpc_origin, **endpoint(instance)) == "NotImplemented"
    made = api.create_vpc_origin(**endpoint(arn), Tags={"Items": [{"Key": "a", "Value": "b"}]})
    identity = made["VpcOrigin"]["Id"]
    assert made["VpcOrigin"]["Status"] == "Deploying"
    assert made["VpcOrigin"]["VpcOriginEndpointConfig"]["OriginSslProtocols"]["Items"] == ["TLSv1.2"]
    assert code(api.create_vpc_origin, **endpoint(arn)) == "EntityAlreadyExists"
    until(lambda: api.get_vpc_origin(Id=identity)["VpcOrigin"]["Status"] == "Deployed", "the VPC origin deployed")
    (listed,) = api.list_vpc_origins()["VpcOriginList"]["Items"]
    assert (listed["Id"], listed["OriginEndpointArn"], listed["Status"]) == (identity, arn, "Deployed")
    tags = api.list_tags_for_resource(Resource=listed["Arn"])["Tags"]["Items"]
    assert tags == [{"Key": "a", "Value": "b"}]

    def group_filter(member):
        return [{"Name": member, "Values": [SERVICE_GROUP]}, {"Name": "vpc-id", "Values": [site.vpc]}]

    (group,) = ec2.describe_security_groups(Filters=group_filter("group-name"))["SecurityGroups"]
    mine = [{"Name": "group-id", "Values": [group["GroupId"]]}]
    interfaces = ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"]
    assert sorted(each["SubnetId"] for each in interfaces) == sorted(site.subnets)
    assert all(each["RequesterManaged"] for each in interfaces)

    origin = {"Id": "inside", "DomainName": balancer["DNSName"], "VpcOriginConfig": {"VpcOriginId": identity}}
    lost = {**origin, "VpcOriginConfig": {"VpcOriginId": "vo_none"}}
    behaviour = delivered.behaviour("/inside/*", NO_CACHING, TargetOriginId="inside")
    with pytest.raises(ClientError, match="EntityNotFound"):
        delivered.create(behaviour, origins=[lost])
    delivered.create(behaviour, origins=[origin])
    assert delivered.get("/inside/a", timeout=30)["status"] == 504, "its group lets nobody in"
    peer = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "UserIdGroupPairs": [{"GroupId": group["GroupId"]}]}
    ec2.authorize_security_group_ingress(GroupId=inside, IpPermissions=[peer])
    until(lambda: delivered.get("/inside/a", timeout=30)["body"] == "from inside", "an answer from inside")
    assert delivered.get("/a")["status"] == 200
    traced = delivered.kunren.run("trace", "--json", f"http://{delivered.name}/inside/a")
    assert (traced.returncode, "is in a VPC" in traced.stdout) == (0, True), traced.stdout

    shown = api.list_distributions_by_vpc_origin_id(VpcOriginId=identity)["DistributionIdList"]
    assert shown["Items"] == [delivered.id]
    etag = api.get_vpc_origin(Id=identity)["ETag"]
    assert code(api.delete_vpc_origin, Id=identity, IfMatch=etag) == "CannotDeleteEntityWhileInUse"
    assert code(api.update_vpc_origin, Id=identity, IfMatch=etag, **endpoint(arn)) == "CannotUpdateEntityWhileInUse"
    delivered.change(
        Origins={"Quantity": 1, "Items": [delivered.origin]}, CacheBehaviors={"Quantity": 0},
    )  # fmt: skip
    api.delete_vpc_origin(Id=identity, IfMatch=etag)
    until(lambda: not ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"], "the interfaces gone")
    assert code(api.get_vpc_origin, Id=identity) == "EntityNotFound"
    elb.delete_load_balancer(LoadBalancerArn=arn)


def test_distributions_are_listed_by_what_they_have(delivered):
    api = delivered.api
    delivered.create(delivered.behaviour("/fresh/*", NO_CACHING))
    by_policy = api.list_distributions_by_cache_policy_id(CachePolicyId=NO_CACHING)["DistributionIdList"]
    assert (by_policy["Items"], by_policy["Quantity"], by_policy["IsTruncated"]) == ([delivered.id], 1, False)
    unused = "b2884449-e4de-46a7-ac36-70bc7f1ddd6d"
    assert api.list_distributions_by_cache_policy_id(CachePolicyId=unused)["DistributionIdList"]["Quantity"] == 0
    assert code(api.list_distributions_by_cache_policy_id, CachePolicyId="none") == "NoSuchCachePolicy"
    without = api.list_distributions_by_web_acl_id(WebACLId="null")["DistributionList"]
    assert [each["Id"] for each in without["Items"]] == [delivered.id]
