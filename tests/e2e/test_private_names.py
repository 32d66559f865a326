"""Names inside VPCs, asked with dig where they matter: on subnets, and by clients of the internet."""

import pytest
from botocore.exceptions import ClientError


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


def record(name, *values, **more):
    return {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": each} for each in values], **more}


class Names:
    """Route 53 and EC2 of an account, with a VPC that has one subnet."""

    def __init__(self, kunren, account, until, region="us-east-1"):
        self.route53, self.ec2 = kunren.client("route53", account), kunren.client("ec2", account, region)
        self.region, self._until = region, until
        self.subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        self.vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        self.given = {"VPCRegion": region, "VPCId": self.vpc}

    def zone(self, name, *records, reference, **more):
        made = self.route53.create_hosted_zone(Name=name, CallerReference=reference, **more)
        self.change(made["HostedZone"]["Id"], *records)
        return made["HostedZone"]["Id"].removeprefix("/hostedzone/")

    def change(self, zone, *records, action="CREATE"):
        changes = [{"Action": action, "ResourceRecordSet": each} for each in records]
        made = self.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        self.insync(made)

    def insync(self, made):
        id = made["ChangeInfo"]["Id"]
        self._until(lambda: self.route53.get_change(Id=id)["ChangeInfo"]["Status"] == "INSYNC", "INSYNC")


def test_a_private_zone_is_split_horizon_for_its_vpcs_only(kunren, account, running, until):
    names = Names(kunren, account, until)
    route53, domain = names.route53, f"split-{account}.test"
    names.zone(domain, record(f"www.{domain}", "192.0.2.1"), record(f"only.{domain}", "192.0.2.1"), reference="1")
    private = names.zone(domain, record(f"www.{domain}", "10.9.9.9"), reference="2", VPC=names.given)
    inside, outside = running.shell(kunren, "--subnet", names.subnet), running.shell(kunren, "--from", "tokyo")

    assert inside.dig(f"www.{domain}") == ["10.9.9.9"]
    assert inside.dig("@169.254.169.253", f"www.{domain}") == ["10.9.9.9"]
    assert outside.dig(f"www.{domain}") == ["192.0.2.1"]
    assert (inside.rcode(f"only.{domain}"), outside.rcode(f"only.{domain}")) == ("NXDOMAIN", "NOERROR")
    shown = route53.get_hosted_zone(Id=private)
    assert shown["VPCs"] == [names.given]
    assert "DelegationSet" not in shown
    assert shown["HostedZone"]["Config"] == {"PrivateZone": True, "HostedZoneTier": "STANDARD"}
    # nobody is asked for a private zone by its name servers: they refuse
    assert outside.rcode("@ns-1536.awsdns-00.co.uk", domain) == "REFUSED"

    names.change(private, record(f"www.{domain}", "10.8.8.8"), action="UPSERT")
    assert inside.dig(f"www.{domain}") == ["10.8.8.8"]
    deeper = names.zone(f"deep.{domain}", record(f"www.deep.{domain}", "10.7.7.7"), reference="3", VPC=names.given)
    assert inside.dig(f"www.deep.{domain}") == ["10.7.7.7"]
    listed = route53.list_hosted_zones_by_vpc(VPCId=names.vpc, VPCRegion="us-east-1")["HostedZoneSummaries"]
    assert sorted((each["HostedZoneId"], each["Name"], each["Owner"]["OwningAccount"]) for each in listed) == sorted(
        [(private, f"{domain}.", account), (deeper, f"deep.{domain}.", account)]
    )


def test_another_accounts_vpc_joins_a_private_zone_by_authorization_and_leaves_it(kunren, account, running, until):
    one, two = Names(kunren, account, until), Names(kunren, f"2{account[1:]}", until)
    domain = f"shared-{account}.test"
    zone = one.zone(domain, record(f"db.{domain}", "10.1.2.3"), reference="1", VPC=one.given)
    inside = running.shell(kunren, "--subnet", two.subnet)
    assert inside.rcode(f"db.{domain}") == "NXDOMAIN"
    assert refused(two.route53.associate_vpc_with_hosted_zone, HostedZoneId=zone, VPC=two.given) == (
        "NotAuthorizedException"
    )
    one.route53.create_vpc_association_authorization(HostedZoneId=zone, VPC=two.given)
    assert one.route53.list_vpc_association_authorizations(HostedZoneId=zone)["VPCs"] == [two.given]
    two.insync(two.route53.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=two.given))
    one.route53.delete_vpc_association_authorization(HostedZoneId=zone, VPC=two.given)
    assert inside.dig(f"db.{domain}") == ["10.1.2.3"]
    assert refused(two.route53.associate_vpc_with_hosted_zone, HostedZoneId=zone, VPC=two.given) == (
        "NotAuthorizedException"
    )
    one.insync(one.route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC=two.given))
    assert inside.rcode(f"db.{domain}") == "NXDOMAIN"
    assert refused(one.route53.disassociate_vpc_from_hosted_zone, HostedZoneId=zone, VPC=one.given) == (
        "LastVPCAssociation"
    )


def test_addresses_have_names_inside_and_outside_as_the_dns_attributes_say(kunren, account, running, until):
    names = Names(kunren, account, until)
    inside, outside = running.shell(kunren, "--subnet", names.subnet), running.shell(kunren, "--from", "london")
    shown = names.ec2.describe_network_interfaces(NetworkInterfaceIds=[inside.interface])["NetworkInterfaces"][0]
    private, public = shown["PrivateIpAddress"], shown["Association"]["PublicIp"]
    private_name, public_name = shown["PrivateDnsName"], shown["Association"]["PublicDnsName"]
    assert private_name == f"ip-{private.replace('.', '-')}.ec2.internal"
    assert public_name == f"ec2-{public.replace('.', '-')}.compute-1.amazonaws.com"

    assert inside.dig(private_name) == [private]
    assert inside.dig("+search", private_name.split(".")[0]) == [private]
    assert inside.dig(public_name) == [private]
    assert inside.dig("-x", private) == [f"{private_name}."]
    assert outside.dig(public_name) == [public]
    assert outside.dig("-x", public) == [f"{public_name}."]
    assert outside.rcode(private_name) == "NXDOMAIN"

    names.ec2.modify_vpc_attribute(VpcId=names.vpc, EnableDnsHostnames={"Value": False})
    until(lambda: inside.rcode(private_name) == "NXDOMAIN", "no private names")
    assert inside.dig(public_name) == [public]
    shown = names.ec2.describe_network_interfaces(NetworkInterfaceIds=[inside.interface])["NetworkInterfaces"][0]
    assert "PrivateDnsName" not in shown
    assert shown["Association"]["PublicDnsName"] == ""
    names.ec2.modify_vpc_attribute(VpcId=names.vpc, EnableDnsSupport={"Value": False})
    until(lambda: inside.rcode(public_name) == "", "no resolver")


def test_another_region_has_its_own_domains(kunren, account, running, until):
    names = Names(kunren, account, until, "ap-northeast-1")
    inside = running.shell(kunren, "--subnet", names.subnet)
    shown = names.ec2.describe_network_interfaces(NetworkInterfaceIds=[inside.interface])["NetworkInterfaces"][0]
    private, public = shown["PrivateIpAddress"], shown["Association"]["PublicIp"]
    assert shown["PrivateDnsName"] == f"ip-{private.replace('.', '-')}.ap-northeast-1.compute.internal"
    name = f"ec2-{public.replace('.', '-')}.ap-northeast-1.compute.amazonaws.com"
    assert shown["Association"]["PublicDnsName"] == name
    assert inside.dig(name) == inside.dig("+search", shown["PrivateDnsName"].split(".")[0]) == [private]


def test_dhcp_options_say_who_workloads_ask_and_what_they_search(kunren, account, running, until):
    names = Names(kunren, account, until)
    domain = f"dhcp-{account}.test"
    names.zone(domain, record(f"db.{domain}", "10.1.2.3"), reference="1", VPC=names.given)
    inside = running.shell(kunren, "--subnet", names.subnet)
    assert inside.run("cat", "/etc/resolv.conf")["out"] == "search ec2.internal\nnameserver 172.31.0.2\n"

    def associate(*configurations):
        given = [{"Key": key, "Values": list(values)} for key, *values in configurations]
        made = names.ec2.create_dhcp_options(DhcpConfigurations=given)["DhcpOptions"]["DhcpOptionsId"]
        names.ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=names.vpc)

    associate(("domain-name", domain), ("domain-name-servers", "AmazonProvidedDNS"))
    until(lambda: inside.dig("+search", "db") == ["10.1.2.3"], "the search domain")
    # one's own servers are asked through the security groups, as any host is
    associate(("domain-name-servers", "198.18.0.2"))
    until(lambda: inside.run("cat", "/etc/resolv.conf")["out"] == "nameserver 198.18.0.2\n", "the public resolver")
    assert inside.rcode(f"db.{domain}") == "NXDOMAIN"


def test_a_prefix_list_opens_a_security_group_to_its_blocks_as_they_change(kunren, account, running, until):
    names = Names(kunren, account, until)
    ec2, client = names.ec2, running.shell(kunren, "--from", "virginia")
    address = client.run("hostname", "-I")["out"].split()[0]
    made = ec2.create_managed_prefix_list(PrefixListName="office", AddressFamily="IPv4", MaxEntries=2)["PrefixList"]
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=names.vpc)["GroupId"]
    peers = [{"PrefixListId": made["PrefixListId"]}]
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": peers}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    target = running.target(kunren, "web", (80,), names.subnet, group)

    def reached():
        return client.run("curl", "-sS", "-m", "1", f"http://{target.public_address}/")["code"] == 0

    def settled():
        shown = ec2.describe_managed_prefix_lists(PrefixListIds=[made["PrefixListId"]])["PrefixLists"][0]
        return shown["State"] == "modify-complete" and shown["Version"]

    assert not reached()
    entry = {"Cidr": f"{address}/32"}
    ec2.modify_managed_prefix_list(PrefixListId=made["PrefixListId"], CurrentVersion=1, AddEntries=[entry])
    assert until(settled, "the list in the firewall") == 2
    assert reached()
    ec2.modify_managed_prefix_list(PrefixListId=made["PrefixListId"], CurrentVersion=2, RemoveEntries=[entry])
    assert until(settled, "the list in the firewall") == 3
    assert not reached()
