"""What names, certificates, listeners and edge locations are not to be asked for, and what happens when they break."""

from __future__ import annotations

import json
import subprocess

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from kunren.management.client import Management

CACHING = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ELSEWHERE = ("eu-west-1", "ap-southeast-2", "ap-northeast-1")


@pytest.fixture
def broken(kunren):
    """Breaks something of the world until the test is over; `broken()` heals."""
    management = Management(kunren.state)

    def breaks(what=None, *names):
        if what is None:
            management.post("/faults/heal", {"owner": "abuse"})
        for name in names:
            management.post("/faults", {"what": what, "name": name, "owner": "abuse"})

    yield breaks
    breaks()


def refused(call, **given):
    with pytest.raises(ClientError) as caught:
        call(**given)
    return caught.value.response["Error"]


def unchecked(kunren, service, account, region="us-east-1"):
    """A client that sends what it is told."""
    return kunren.client(service, account, region, config=Config(parameter_validation=False))


def distribution(name, **given):
    origin = {
        "Id": "web", "DomainName": name,
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
    }  # fmt: skip
    behaviour = {"TargetOriginId": "web", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": CACHING}
    return {
        "CallerReference": name, "Comment": "", "Enabled": True, "DefaultCacheBehavior": behaviour,
        "Origins": {"Quantity": 1, "Items": [origin]}, **given,
    }  # fmt: skip


def test_weights_and_batches_out_of_range_change_nothing(kunren, account):
    route53 = unchecked(kunren, "route53", account)
    zone = route53.create_hosted_zone(Name=f"w{account}.test", CallerReference="1")["HostedZone"]["Id"]

    def change(*records):
        return {"HostedZoneId": zone, "ChangeBatch": {
            "Changes": [{"Action": "CREATE", "ResourceRecordSet": each} for each in records]
        }}  # fmt: skip

    record = {"Name": f"w{account}.test", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    for weight in (-1, 256, 10**12):
        error = refused(
            route53.change_resource_record_sets, **change({**record, "SetIdentifier": "a", "Weight": weight})
        )
        assert error["Code"] == "InvalidInput", weight
    assert refused(route53.change_resource_record_sets, **change({**record, "Weight": 1}))["Code"] == "InvalidInput"
    assert "MISSING" not in json.dumps(route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"])
    many = [{**record, "Name": f"n{number}.w{account}.test"} for number in range(10_000)]
    error = refused(route53.change_resource_record_sets, **change(*many))
    assert (error["Code"], error["Message"]) == ("InvalidChangeBatch", "[Number of changes limit of 1000 exceeded.]")
    assert len(route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]) == 2

    api = unchecked(kunren, "globalaccelerator", account, "us-west-2")
    arn = api.create_accelerator(Name="front", IdempotencyToken="one")["Accelerator"]["AcceleratorArn"]
    listener = api.create_listener(
        AcceleratorArn=arn, PortRanges=[{"FromPort": 80, "ToPort": 90}], Protocol="TCP", IdempotencyToken="one"
    )["Listener"]["ListenerArn"]
    group = {"ListenerArn": listener, "EndpointGroupRegion": "us-east-1", "IdempotencyToken": "one"}
    for given in (
        {"TrafficDialPercentage": 100.5}, {"TrafficDialPercentage": -1}, {"ThresholdCount": 11},
        {"EndpointConfigurations": [{"EndpointId": "eipalloc-00000000", "Weight": 256}]},
    ):  # fmt: skip
        assert refused(api.create_endpoint_group, **group, **given)["Code"] == "ValidationException", given
    assert api.list_endpoint_groups(ListenerArn=listener)["EndpointGroups"] == []


def test_a_name_is_taken_once_and_a_certificate_is_in_us_east_1(kunren, account, tmp_path):
    api = kunren.client("cloudfront", account)
    name = f"www.taken{account}.test"
    files = {"-keyout": tmp_path / "key.pem", "-out": tmp_path / "certificate.pem"}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "30", "-addext",
         f"subjectAltName=DNS:{name}", *(str(part) for each in files.items() for part in each)],
        check=True, capture_output=True,
    )  # fmt: skip
    material = {"Certificate": files["-out"].read_bytes(), "PrivateKey": files["-keyout"].read_bytes()}
    held, elsewhere = (
        kunren.client("acm", account, region).import_certificate(**material)["CertificateArn"]
        for region in ("us-east-1", "eu-west-1")
    )

    def wanted(origin, arn):
        shown = {"ACMCertificateArn": arn, "SSLSupportMethod": "sni-only", "MinimumProtocolVersion": "TLSv1.2_2021"}
        aliases = {"Quantity": 1, "Items": [name]}
        return distribution(origin, Aliases=aliases, ViewerCertificate=shown)

    error = refused(api.create_distribution, DistributionConfig=wanted("one.test", elsewhere))
    assert error["Code"] == "InvalidViewerCertificate"
    assert "isn't in us-east-1 region" in error["Message"]
    api.create_distribution(DistributionConfig=wanted("one.test", held))
    error = refused(api.create_distribution, DistributionConfig=wanted("two.test", held))
    assert error["Code"] == "CNAMEAlreadyExists"
    stranger = str(int(account) + 500)
    arn = kunren.client("acm", stranger).import_certificate(**material)["CertificateArn"]
    error = refused(
        kunren.client("cloudfront", stranger).create_distribution, DistributionConfig=wanted("three.test", arn)
    )
    assert error["Code"] == "CNAMEAlreadyExists", "by another account as well"
    assert len(api.list_distributions()["DistributionList"]["Items"]) == 1


def test_questions_that_are_none_and_those_made_to_amplify(kunren, account):
    route53, name = kunren.client("route53", account), f"big{account}.test"
    zone = route53.create_hosted_zone(Name=name, CallerReference="1")["HostedZone"]["Id"]
    texts = [{"Value": f'"{number:03}{"x" * 200}"'} for number in range(30)]
    record = {"Name": name, "Type": "TXT", "TTL": 60, "ResourceRecords": texts}
    changes = [{"Action": "CREATE", "ResourceRecordSet": record}]
    made = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    route53.get_waiter("resource_record_sets_changed").wait(Id=made["ChangeInfo"]["Id"], WaiterConfig={"Delay": 1})
    server = route53.get_hosted_zone(Id=zone)["DelegationSet"]["NameServers"][0]
    told = json.loads(kunren.exec("python3", "-c", QUESTIONS, server, name, place="tokyo").stdout)
    for asked, answers in told.items():
        limit = 1232 if asked.endswith("edns") else 512
        assert len(answers) == 1, (asked, answers)
        assert answers[0]["size"] <= limit, (asked, answers)
        assert answers[0]["truncated"] or asked.startswith("ANY")
    assert kunren.exec("dig", "+short", f"@{server}", name, "TXT", place="tokyo").stdout.count("\n") == 30  # by TCP


QUESTIONS = """
import json, os, random, socket, struct, sys
server, name = socket.gethostbyname(sys.argv[1]), sys.argv[2]
wire = b"".join(bytes([len(each)]) + each.encode() for each in name.split(".")) + b"\\0"
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.settimeout(2)
one.connect((server, 53))
chance = random.Random(1)
for length in (0, 1, 11, 12, 13, 40, 512, 4096):
    for _ in range(20):
        one.send(chance.randbytes(length))
one.send(struct.pack("!6H", 7, 0x8180, 1, 0, 0, 0) + wire + b"\\0\\x10\\0\\1")  # an answer: not to be answered
told = {}
for number, (asked, kind, more) in enumerate((
    ("TXT", 16, b""), ("ANY", 255, b""),
    ("TXT edns", 16, b"\\0\\0\\x29\\xff\\xff\\0\\0\\0\\0\\0\\0"), ("ANY edns", 255, b"\\0\\0\\x29\\xff\\xff\\0\\0\\0\\0\\0\\0"),
), 0x5001):
    one.send(struct.pack("!6H", number, 0, 1, 0, 0, 1 if more else 0) + wire + struct.pack("!2H", kind, 1) + more)
    answers = []
    one.settimeout(2)
    try:
        while True:
            data = one.recv(65536)
            if struct.unpack_from("!H", data)[0] == number:
                answers.append({"size": len(data), "truncated": bool(data[2] & 2)})
                one.settimeout(0.3)
    except TimeoutError:
        pass
    told[asked] = answers
print(json.dumps(told))
"""


def test_checkers_that_reach_nobody_are_outvoted_until_they_are_all_there_is(kunren, account, until, broken):
    route53 = kunren.client("route53", account)
    check = route53.create_health_check(
        CallerReference=account,
        HealthCheckConfig={
            "Type": "TCP", "IPAddress": "198.18.0.2", "Port": 53, "RequestInterval": 10, "FailureThreshold": 1,
            "Regions": list(ELSEWHERE),
        },
    )["HealthCheck"]["Id"]  # fmt: skip
    name = f"checked{account}.test"
    zone = route53.create_hosted_zone(Name=name, CallerReference="1")["HostedZone"]["Id"]
    sets = [
        {"Name": name, "Type": "A", "TTL": 1, "SetIdentifier": role, "Failover": role,
         "ResourceRecords": [{"Value": f"192.0.2.{number}"}], **more}
        for role, number, more in (("PRIMARY", 1, {"HealthCheckId": check}), ("SECONDARY", 2, {}))
    ]  # fmt: skip
    changes = [{"Action": "CREATE", "ResourceRecordSet": each} for each in sets]
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    def failing():
        seen = route53.get_health_check_status(HealthCheckId=check)["HealthCheckObservations"]
        return sorted({each["Region"] for each in seen if each["StatusReport"]["Status"].startswith("Failure")})

    def answer():
        return kunren.exec("dig", "+short", name, place="virginia").stdout.split()

    until(lambda: answer() == ["192.0.2.1"], "the primary")
    broken("region", ELSEWHERE[0])
    until(lambda: failing() == [ELSEWHERE[0]], lambda: f"one region's checkers failing, not {failing()}")
    assert answer() == ["192.0.2.1"], "two thirds of the checkers still see it"
    broken("region", *ELSEWHERE[1:])
    until(lambda: answer() == ["192.0.2.2"], "the secondary, for nobody sees the primary")
    assert failing() == sorted(ELSEWHERE)
    broken()
    until(lambda: answer() == ["192.0.2.1"], "the primary again")
    route53.delete_health_check(HealthCheckId=check)


def test_an_edge_that_dies_with_connections_open_leaves_clients_to_the_next_one(
    kunren, account, site, programs, until, broken
):
    site.listen(site.fixed("here"))
    site.wait_active()
    api = kunren.client("cloudfront", account)
    made = api.create_distribution(DistributionConfig=distribution(site.name))["Distribution"]
    until(lambda: api.get_distribution(Id=made["Id"])["Distribution"]["Status"] == "Deployed", "it deployed")
    front = kunren.client("globalaccelerator", account, "us-west-2")
    accelerator = front.create_accelerator(Name="front", IdempotencyToken="one")["Accelerator"]
    listener = front.create_listener(
        AcceleratorArn=accelerator["AcceleratorArn"], PortRanges=[{"FromPort": 80, "ToPort": 80}], Protocol="TCP",
        IdempotencyToken="one",
    )["Listener"]["ListenerArn"]  # fmt: skip
    front.create_endpoint_group(
        ListenerArn=listener, EndpointGroupRegion="us-east-1", EndpointConfigurations=[{"EndpointId": site.arn}],
        IdempotencyToken="one",
    )  # fmt: skip
    client = programs(kunren, "flow_client.py", where=("--from", "tokyo"))

    def tell(**wanted):
        client.say(json.dumps(wanted))
        return json.loads(client.hear())

    def asked(connection):
        said = tell(send=connection, text=f"GET /x HTTP/1.1\r\nHost: {made['DomainName']}\r\n\r\n")
        return said["error"] if "error" in said else said["said"][1]

    def pop():
        shown = kunren.exec(
            "curl", "-sI", "--max-time", "5", f"http://{made['DomainName']}/x", place="tokyo", check=False
        )
        return next((each.split()[1] for each in shown.stdout.splitlines() if each.startswith("X-Amz-Cf-Pop")), "")

    until(lambda: pop() == "NRT57-P2", "tokyo's edge location")

    def connected(name):
        told = tell(open=[name, 80], hears=False)
        return told if "id" in told else None

    opened = {}
    for name in (made["DomainName"], accelerator["DnsName"]):
        opened[name] = until(lambda name=name: connected(name), "a connection")["id"]
        assert asked(opened[name]) == "200"
    broken("edge", "tokyo")
    for name, connection in opened.items():
        assert asked(connection) in ("ConnectionResetError", "TimeoutError"), name
    until(lambda: pop() not in ("", "NRT57-P2"), "another edge location")
    for name in opened:
        again = until(lambda name=name: connected(name), "a new connection")["id"]
        assert asked(again) == "200", "who connects again is served"
    traced = json.loads(kunren.run("trace", "--json", "--from", "tokyo", f"http://{made['DomainName']}/x").stdout)
    assert traced["agrees"] and traced["observed"]["edge"] != "tokyo"
    (cut,) = (each for each in traced["steps"][1]["considered"] if each["what"] == "tokyo")
    assert cut["because"].endswith("cut off")
    broken()
    until(lambda: pop() == "NRT57-P2", "tokyo's edge location again")
