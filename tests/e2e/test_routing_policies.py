"""Route 53's routing policies as clients in several cities meet them: dig, at the resolver of the place, at the zone's
own name servers, and with a client subnet; and what TestDNSAnswer and `kunren trace` say of it."""

import json
import re
from collections import Counter

import pytest
from botocore.exceptions import ClientError

TOKYO, LONDON, OREGON, LAGOS = "198.18.65.0/24", "198.18.67.0/24", "198.18.72.0/24", "198.18.87.0/24"


class Zone:
    """A hosted zone and shells in three cities."""

    def __init__(self, kunren, account, running, until):
        self.kunren, self.until = kunren, until
        self.route53, self.name = kunren.client("route53", account), f"policies-{account}.test"
        made = self.route53.create_hosted_zone(Name=self.name, CallerReference="1")
        self.id, self.server = made["HostedZone"]["Id"].rpartition("/")[2], made["DelegationSet"]["NameServers"][0]
        self.shells = {each: running.shell(kunren, "--from", each) for each in ("tokyo", "london", "oregon")}

    def put(self, name, *given):
        """Record sets of one name: each a set identifier (its address's last number) and its policy's members."""
        changes = []
        for number, more in given:
            plain = {"TTL": 60, "ResourceRecords": [{"Value": f"192.0.2.{number}"}]}
            named = {"Name": f"{name}.{self.name}", "Type": "A", "SetIdentifier": str(number)}
            changes.append(
                {"Action": "UPSERT", "ResourceRecordSet": {**({} if "AliasTarget" in more else plain), **named, **more}}
            )
        made = self.route53.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": changes})
        id = made["ChangeInfo"]["Id"]
        self.until(lambda: self.route53.get_change(Id=id)["ChangeInfo"]["Status"] == "INSYNC", "INSYNC")

    def alias(self, name, evaluate=True):
        target = {"HostedZoneId": self.id, "DNSName": f"{name}.{self.name}", "EvaluateTargetHealth": evaluate}
        return {"AliasTarget": target}

    def dig(self, place, name, *options):
        """The last numbers of the addresses."""
        return [each.rpartition(".")[2] for each in self.shells[place].dig(f"{name}.{self.name}", *options)]

    def everywhere(self, name):
        """By place: what its resolver says."""
        return {place: self.dig(place, name) for place in self.shells}

    def scope(self, name, subnet, *options):
        """`address/source/scope` as dig shows the client subnet of the answer, with what was answered."""
        out = self.shells["tokyo"].run("dig", f"+subnet={subnet}", *options, f"{name}.{self.name}")["out"]
        addresses = re.findall(r"\sA\s+192\.0\.2\.(\d+)", out)
        return re.search(r"CLIENT-SUBNET: (\S+)", out)[1], addresses


@pytest.fixture
def zone(kunren, account, running, until):
    return Zone(kunren, account, running, until)


def test_answers_depend_on_the_place_and_a_client_subnet_says_another(zone):
    regions = ((1, "us-west-2"), (2, "eu-west-1"), (3, "ap-northeast-1"))
    zone.put("latency", *((number, {"Region": region}) for number, region in regions))
    zone.put(
        "geo",
        (1, {"GeoLocation": {"CountryCode": "US", "SubdivisionCode": "OR"}}),
        (2, {"GeoLocation": {"ContinentCode": "EU"}}),
        (3, {"GeoLocation": {"CountryCode": "*"}}),
    )
    zone.put(
        "near",
        (1, {"GeoProximityLocation": {"LocalZoneGroup": "us-west-2-sea-1"}}),
        (2, {"GeoProximityLocation": {"Coordinates": {"Latitude": "48.86", "Longitude": "2.35"}, "Bias": 10}}),
        (3, {"GeoProximityLocation": {"AWSRegion": "ap-northeast-1"}}),
    )
    expected = {"tokyo": ["3"], "london": ["2"], "oregon": ["1"]}
    for name in ("latency", "geo", "near"):
        assert zone.everywhere(name) == expected, name

    # a subnet in the question is where the client is, for name servers and resolvers; the answer says for whom it is
    server = f"@{zone.server}"
    for name in ("latency", "geo", "near"):
        for asked in ((server,), ()):
            assert zone.scope(name, LONDON, *asked) == (f"{LONDON}/24", ["2"])
            assert zone.scope(name, OREGON, *asked) == (f"{OREGON}/24", ["1"])
    assert zone.scope("geo", "203.0.113.0/24", server) == ("203.0.113.0/24/24", ["3"]), "nowhere: the default"
    assert zone.scope("geo", "0.0.0.0/0", server) == ("0.0.0.0/0/0", ["3"]), "who tells nothing is where it asks from"
    zone.put("plain", (9, {"Weight": 1}))
    assert zone.scope("plain", LONDON, server) == (f"{LONDON}/0", ["9"]), "an answer for everybody"

    # without a default there is no answer, which is not "no such name"
    zone.put("few", (1, {"GeoLocation": {"CountryCode": "GB"}}))
    assert (zone.dig("london", "few"), zone.dig("tokyo", "few")) == (["1"], [])
    assert zone.shells["tokyo"].rcode(f"few.{zone.name}") == "NOERROR"

    # the world's biases: Lagos is nearer to Paris than to Seattle and Tokyo
    assert zone.scope("near", LAGOS, server)[1] == ["2"]

    # the API's own question and the explanation come from the same function
    answer = zone.route53.test_dns_answer(
        HostedZoneId=zone.id, RecordName=f"latency.{zone.name}", RecordType="A", EDNS0ClientSubnetIP="198.18.67.10"
    )
    assert (answer["RecordData"], answer["ResponseCode"]) == (["192.0.2.2"], "NOERROR")
    told = zone.kunren.run(
        "trace", "--from", "london", "--no-send", "--json", f"http://latency.{zone.name}/"
    )  # fmt: skip
    step = next(each for each in json.loads(told.stdout)["steps"] if each["stage"] == "DNS")
    assert step["chosen"] == "192.0.2.2"
    assert (
        "by latency routing: 2 (eu-west-1, " in step["because"] and "the first choice, and healthy" in step["because"]
    )
    considered = {each["what"].partition(":")[0]: each for each in step["considered"]}
    assert considered["2"]["taken"] and re.fullmatch(r"us-west-2, \d+ ms from london", considered["1"]["because"])


def test_addresses_of_a_cidr_collection_have_their_own_answer(zone):
    collection = zone.route53.create_cidr_collection(Name=zone.name[:-5], CallerReference="1")["Collection"]["Id"]
    changes = [{"LocationName": "office", "Action": "PUT", "CidrList": [TOKYO, "203.0.112.0/20"]}]
    made = zone.route53.change_cidr_collection(Id=collection, Changes=changes)["Id"]
    zone.until(lambda: zone.route53.get_change(Id=made)["ChangeInfo"]["Status"] == "INSYNC", "the collection served")
    zone.put(
        "ip", (1, {"CidrRoutingConfig": {"CollectionId": collection, "LocationName": "office"}}),
        (2, {"CidrRoutingConfig": {"CollectionId": collection, "LocationName": "*"}}),
    )  # fmt: skip
    assert zone.everywhere("ip") == {"tokyo": ["1"], "london": ["2"], "oregon": ["2"]}
    assert zone.scope("ip", "203.0.113.0/24", f"@{zone.server}") == ("203.0.113.0/24/24", ["1"])


def test_weights_multivalue_and_trees_of_aliases(zone):
    zone.put("w", (1, {"Weight": 3}), (2, {"Weight": 1}), (3, {"Weight": 0}))
    server = f"@{zone.server}"
    command = f"for i in $(seq 60); do dig +short +time=2 {server} w.{zone.name}; done"
    drawn = Counter(zone.shells["tokyo"].run("sh", "-c", command)["out"].split())
    assert set(drawn) == {"192.0.2.1", "192.0.2.2"} and 25 < drawn["192.0.2.1"] < 60, "45 of 60, at 3 to 1"
    kept = {tuple(zone.dig("tokyo", "w")) for _ in range(10)}
    assert len(kept) == 1, "a resolver keeps what was drawn for its TTL"

    zone.put("many", *((number, {"MultiValueAnswer": True}) for number in range(1, 13)))
    several = zone.dig("london", "many", server)
    assert len(set(several)) == 8 and set(several) <= {str(each) for each in range(1, 13)}

    # latency over failover over a weighted group
    zone.put("group", (7, {"Weight": 1}))
    zone.put("europe", (2, {"Failover": "PRIMARY", **zone.alias("group")}), (3, {"Failover": "SECONDARY"}))
    zone.put("top", (1, {"Region": "us-east-1"}), (2, {"Region": "eu-west-1", **zone.alias("europe")}))
    assert zone.everywhere("top") == {"tokyo": ["1"], "london": ["7"], "oregon": ["1"]}


def test_dns_fails_over_when_a_real_probe_says_so_and_comes_back(zone):
    config = {"Type": "TCP", "IPAddress": "198.18.0.2", "Port": 53, "RequestInterval": 10, "FailureThreshold": 1}
    check = zone.route53.create_health_check(CallerReference=zone.name, HealthCheckConfig=config)["HealthCheck"]["Id"]
    server = f"@{zone.server}"
    zone.put("site", (1, {"Failover": "PRIMARY", "HealthCheckId": check, "TTL": 5}), (2, {"Failover": "SECONDARY"}))
    zone.put("front", (3, {"Weight": 1, **zone.alias("site")}), (4, {"Weight": 0}))
    assert zone.dig("tokyo", "site", server) == ["1"]
    zone.route53.update_health_check(HealthCheckId=check, Inverted=True)
    zone.until(lambda: zone.dig("tokyo", "site", server) == ["2"], "the secondary answered by the name server")
    zone.until(lambda: zone.everywhere("site") == {key: ["2"] for key in zone.shells}, "the secondary after the TTL")
    assert zone.dig("tokyo", "front", server) == ["2"], "a target with one healthy record is healthy"
    zone.put("site", (2, {"Failover": "SECONDARY", "HealthCheckId": check}))
    assert zone.dig("tokyo", "site", server) == ["1"], "both down: the primary"
    assert zone.dig("tokyo", "front", server) == ["4"], "nobody behind the alias is healthy: the standby of weight zero"
    zone.route53.update_health_check(HealthCheckId=check, Inverted=False)
    zone.until(lambda: zone.dig("tokyo", "front", server) == ["1"], "healthy again")
    zone.route53.delete_health_check(HealthCheckId=check)


def test_a_resolver_keeps_what_it_was_told_for_its_ttl_so_a_failover_has_a_tail(zone):
    config = {"Type": "TCP", "IPAddress": "198.18.0.2", "Port": 53, "RequestInterval": 10, "FailureThreshold": 1}
    check = zone.route53.create_health_check(CallerReference="tail", HealthCheckConfig=config)["HealthCheck"]["Id"]
    for name, ttl in (("long", 86400), ("short", 5)):
        zone.put(
            name, (1, {"Failover": "PRIMARY", "HealthCheckId": check, "TTL": ttl}),
            (2, {"Failover": "SECONDARY", "TTL": ttl}),
        )  # fmt: skip
        assert zone.dig("tokyo", name) == ["1"]

    def left():
        """What the resolver of tokyo says of how long its answer is good."""
        out = zone.shells["tokyo"].run("dig", "+noall", "+answer", f"long.{zone.name}")["out"]
        return int(out.split()[1])

    first = left()
    zone.route53.update_health_check(HealthCheckId=check, Inverted=True)
    zone.until(lambda: zone.dig("tokyo", "long", f"@{zone.server}") == ["2"], "the secondary from the name server")
    zone.until(lambda: zone.dig("tokyo", "short") == ["2"], "the secondary after a short TTL")
    assert zone.dig("london", "long") == ["2"], "who had not asked before sees it at once"
    assert zone.dig("tokyo", "long") == ["1"], "who had goes on to the primary"
    zone.until(lambda: left() < first, "a shorter rest of the TTL")
    zone.route53.delete_health_check(HealthCheckId=check)


def test_checkers_of_each_region_ask_as_from_there(zone):
    regions = ("us-east-1", "eu-west-1", "ap-northeast-1")
    zone.put("near", *((number, {"Region": region}) for number, region in enumerate(regions, start=1)))
    zone.put("place", (7, {"GeoLocation": {"CountryCode": "JP"}}), (8, {"GeoLocation": {"CountryCode": "*"}}))

    def resolved(name):
        """By region: to what its checkers' resolver has the name."""
        seen = zone.route53.get_health_check_status(HealthCheckId=checks[name])["HealthCheckObservations"]
        told = {each["Region"]: each["StatusReport"]["Status"] for each in seen}
        found = {region: re.search(r"Resolved IP: 192\.0\.2\.(\d+)", text) for region, text in told.items()}
        return {region: each[1] for region, each in found.items() if each}

    checks = {}
    for name in ("near", "place"):
        config = {
            "Type": "HTTP", "FullyQualifiedDomainName": f"{name}.{zone.name}", "RequestInterval": 10,
            "Regions": list(regions),
        }  # fmt: skip
        made = zone.route53.create_health_check(CallerReference=f"{name}{zone.name}", HealthCheckConfig=config)
        checks[name] = made["HealthCheck"]["Id"]
    wanted = {"near": ("1", "2", "3"), "place": ("8", "8", "7")}
    for name, numbers in wanted.items():
        expected = dict(zip(regions, numbers, strict=True))
        zone.until(lambda name=name, expected=expected: resolved(name) == expected, lambda name=name: resolved(name))
    for each in checks.values():
        zone.route53.delete_health_check(HealthCheckId=each)


def test_questions_are_logged_in_cloudwatch_logs(zone, account):
    logs, group = zone.kunren.client("logs", account), f"/aws/route53/{zone.name}"
    arn = f"arn:aws:logs:us-east-1:{account}:log-group:{group}"
    given = {"HostedZoneId": zone.id, "CloudWatchLogsLogGroupArn": arn}

    def refused():
        with pytest.raises(ClientError) as caught:
            zone.route53.create_query_logging_config(**given)
        return caught.value.response["Error"]["Code"]

    assert refused() == "NoSuchCloudWatchLogsLogGroup"
    logs.create_log_group(logGroupName=group)
    assert refused() == "InsufficientCloudWatchLogsResourcePolicy"
    statement = {
        "Effect": "Allow", "Principal": {"Service": "route53.amazonaws.com"}, "Resource": f"{arn}:*",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
    }  # fmt: skip
    logs.put_resource_policy(policyName="dns", policyDocument=json.dumps({"Statement": [statement]}))
    config = zone.route53.create_query_logging_config(**given)["QueryLoggingConfig"]
    assert refused() == "QueryLoggingConfigAlreadyExists"

    zone.put("log", (1, {"Weight": 1}))
    for _ in range(3):
        assert zone.dig("tokyo", "log") == ["1"]
    zone.dig("london", "log", f"@{zone.server}", "-4", "+tcp")
    zone.dig("london", "no", f"@{zone.server}", "-4")
    shown = logs.filter_log_events(logGroupName=group)["events"]
    told = {(each["logStreamName"], *each["message"].split()[2:]) for each in shown}
    bare = zone.id.rpartition("/")[2]
    assert told == {  # the resolver of Tokyo asked once, and remembered
        (f"{bare}/NRT1", bare, f"log.{zone.name}", "A", "NOERROR", "UDP", "NRT1", "198.18.0.2", TOKYO),
        (f"{bare}/LHR1", bare, f"log.{zone.name}", "A", "NOERROR", "TCP", "LHR1", "198.18.67.10", "-"),
        (f"{bare}/LHR1", bare, f"no.{zone.name}", "A", "NXDOMAIN", "UDP", "LHR1", "198.18.67.10", "-"),
    }
    zone.route53.delete_query_logging_config(Id=config["Id"])
    zone.dig("oregon", "log")
    assert len(logs.filter_log_events(logGroupName=group)["events"]) == len(shown)
