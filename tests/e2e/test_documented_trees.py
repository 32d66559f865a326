"""The trees of records that Route 53's guide draws, asked by dig for clients of several places, with records that are well
and that are not; and what each policy answers while its first choice is down.

Developer Guide, "How health checks work in complex Amazon Route 53 configurations" and "How Amazon Route 53 chooses
records when health checking is configured". Health checks that are disabled are healthy, inverted ones the opposite, so
that nothing has to be waited for.
"""

import pytest

LONDON, OREGON, TOKYO = "198.18.67.0/24", "198.18.72.0/24", "198.18.65.0/24"


class Trees:
    def __init__(self, kunren, account, running, until):
        self.route53, self.name, self.until = kunren.client("route53", account), f"trees-{account}.test", until
        made = self.route53.create_hosted_zone(Name=self.name, CallerReference="1")
        self.id, self.server = made["HostedZone"]["Id"].rpartition("/")[2], made["DelegationSet"]["NameServers"][0]
        self.shell = running.shell(kunren, "--from", "tokyo")
        self.well, self.ill = (self._check(str(number), inverted) for number, inverted in enumerate((False, True)))

    def _check(self, reference, inverted):
        config = {
            "Type": "TCP", "IPAddress": "198.18.0.2", "Port": 53, "Disabled": True, "Inverted": inverted,
        }  # fmt: skip
        made = self.route53.create_health_check(CallerReference=f"{self.name}{reference}", HealthCheckConfig=config)
        return {"HealthCheckId": made["HealthCheck"]["Id"]}

    def put(self, *given):
        """Record sets: a name, a number (of the set and its address) and a policy's members."""
        changes = []
        for name, number, more in given:
            plain = {} if "AliasTarget" in more else {"TTL": 60, "ResourceRecords": [{"Value": f"192.0.2.{number}"}]}
            named = {"Name": f"{name}.{self.name}", "Type": "A", "SetIdentifier": str(number)}
            changes.append({"Action": "UPSERT", "ResourceRecordSet": {**plain, **named, **more}})
        made = self.route53.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": changes})
        id = made["ChangeInfo"]["Id"]
        self.until(lambda: self.route53.get_change(Id=id)["ChangeInfo"]["Status"] == "INSYNC", "INSYNC")

    def alias(self, name, evaluate=True):
        target = {"HostedZoneId": self.id, "DNSName": f"{name}.{self.name}", "EvaluateTargetHealth": evaluate}
        return {"AliasTarget": target}

    def told(self, name, subnet, asked=1):
        """The numbers of all addresses that a client of a subnet is given in so many answers."""
        question = f"dig +short +time=2 +subnet={subnet} @{self.server} {name}.{self.name}"
        out = self.shell.run("sh", "-c", f"for i in $(seq {asked}); do {question}; done")["out"]
        return {int(each.rpartition(".")[2]) for each in out.split()}

    def draws(self, name, subnet, wanted):
        """Whether a client is given each of these and no other, by chance."""
        seen = set()

        def all_seen():
            seen.update(self.told(name, subnet, asked=6))
            assert seen <= wanted, f"{seen} told, not {wanted}"
            return seen == wanted

        self.until(all_seen, lambda: f"{wanted} told to {subnet}, not {seen}")


@pytest.fixture
def trees(kunren, account, running, until):
    return Trees(kunren, account, running, until)


def test_latency_aliases_over_weighted_records_with_health_checks(trees):
    """Two regions, two endpoints each; 1 and 2 in Oregon, 3 and 4 in Ireland."""
    well, ill = trees.well, trees.ill

    def tree(*checks, evaluate=True):
        one, two, three, four = checks
        trees.put(
            ("oregon", 1, {"Weight": 10, **one}), ("oregon", 2, {"Weight": 10, **two}),
            ("ireland", 3, {"Weight": 10, **three}), ("ireland", 4, {"Weight": 10, **four}),
            ("site", 1, {"Region": "us-west-2", **trees.alias("oregon", evaluate)}),
            ("site", 2, {"Region": "eu-west-1", **trees.alias("ireland")}),
        )  # fmt: skip

    tree(well, well, well, well)
    trees.draws("site", OREGON, {1, 2})
    trees.draws("site", LONDON, {3, 4})
    tree(ill, well, well, well)
    trees.draws("site", OREGON, {2})
    tree(ill, ill, well, well)  # it backs out of the branch, to the next best latency
    trees.draws("site", OREGON, {3, 4})
    tree(ill, ill, ill, well)
    trees.draws("site", OREGON, {4})
    trees.draws("site", LONDON, {4})
    tree(ill, ill, ill, ill)  # all unhealthy: as if all were healthy
    trees.draws("site", OREGON, {1, 2})
    trees.draws("site", LONDON, {3, 4})
    tree(ill, {}, well, well)  # "What happens when you omit health checks?": such a record is healthy
    trees.draws("site", OREGON, {2})
    tree(
        ill, ill, well, well, evaluate=False
    )  # "... when you set Evaluate Target Health to No?": it stays in the branch
    trees.draws("site", OREGON, {1, 2})
    tree(well, well, ill, ill)
    trees.draws("site", LONDON, {1, 2})


def test_failover_over_latency_over_weighted_and_multivalue_records(trees):
    """Active-active behind a primary of several regions, with a secondary for all that (a tree of four levels)."""
    well, ill = trees.well, trees.ill

    def tree(one, two, three):
        trees.put(
            ("west", 1, {"Weight": 1, **one}), ("west", 2, {"Weight": 0}),
            ("many", 3, {"MultiValueAnswer": True, **three}), ("many", 4, {"MultiValueAnswer": True, **three}),
            ("group", 1, {"Weight": 1, **trees.alias("west"), **two}), ("group", 2, {"Weight": 0, **ill}),
            ("active", 1, {"Region": "us-west-2", **trees.alias("group")}),
            ("active", 2, {"Region": "eu-west-1", **trees.alias("many")}),
            ("app", 1, {"Failover": "PRIMARY", **trees.alias("active")}), ("app", 9, {"Failover": "SECONDARY"}),
        )  # fmt: skip

    tree(well, well, well)
    assert trees.told("app", OREGON) == {1}
    assert trees.told("app", LONDON) == {3, 4}
    tree(ill, well, well)  # the record of weight zero, since those with weight are down
    assert trees.told("app", OREGON) == {2}
    tree(well, ill, well)  # an alias whose own check fails is unhealthy, whatever is behind it
    assert trees.told("app", OREGON) == {3, 4}
    tree(well, well, ill)
    assert trees.told("app", LONDON) == {1}
    tree(well, ill, ill)
    assert trees.told("app", OREGON) == trees.told("app", LONDON) == {9}


def test_what_each_policy_answers_while_its_first_choice_is_down(trees):
    well, ill = trees.well, trees.ill
    collection = trees.route53.create_cidr_collection(Name=trees.name[:-5], CallerReference="1")["Collection"]["Id"]
    blocks = [{"LocationName": "office", "Action": "PUT", "CidrList": [LONDON]}]
    made = trees.route53.change_cidr_collection(Id=collection, Changes=blocks)["Id"]
    trees.until(lambda: trees.route53.get_change(Id=made)["ChangeInfo"]["Status"] == "INSYNC", "the collection served")

    def by_cidr(location):
        return {"CidrRoutingConfig": {"CollectionId": collection, "LocationName": location}}

    policies = {
        "weighted": ({"Weight": 255}, {"Weight": 1}),
        "latency": ({"Region": "eu-west-2"}, {"Region": "us-west-2"}),
        "geo": ({"GeoLocation": {"CountryCode": "GB"}}, {"GeoLocation": {"ContinentCode": "EU"}}),
        "default": ({"GeoLocation": {"CountryCode": "GB"}}, {"GeoLocation": {"CountryCode": "*"}}),
        "near": ({"GeoProximityLocation": {"AWSRegion": "eu-west-2"}},
                 {"GeoProximityLocation": {"AWSRegion": "ap-northeast-1"}}),
        "cidr": (by_cidr("office"), by_cidr("*")),
        "failover": ({"Failover": "PRIMARY"}, {"Failover": "SECONDARY"}),
    }  # fmt: skip
    trees.put(*((name, 1, {**first, **well}) for name, (first, _) in policies.items()))
    trees.put(*((name, 2, {**second, **well}) for name, (_, second) in policies.items()))
    first = {name: trees.told(name, LONDON) for name in policies if name != "weighted"}
    assert set(map(tuple, first.values())) == {(1,)}, first
    trees.put(*((name, 1, {**first, **ill}) for name, (first, _) in policies.items()))
    second = {name: trees.told(name, LONDON, asked=3) for name in policies}
    assert set(map(tuple, second.values())) == {(2,)}, second
    # nobody well: "Route 53 considers all the records to be healthy"
    trees.put(*((name, 2, {**second, **ill}) for name, (_, second) in policies.items()))
    last = {name: trees.told(name, LONDON) for name in policies if name != "weighted"}
    assert set(map(tuple, last.values())) == {(1,)}, last
    assert trees.told("latency", OREGON) == trees.told("near", TOKYO) == {2}

    trees.put(
        *(("many", number, {"MultiValueAnswer": True, **(ill if number > 3 else well)}) for number in range(1, 7))
    )
    assert trees.told("many", LONDON) == {1, 2, 3}, "healthy ones alone"
    trees.put(*(("many", number, {"MultiValueAnswer": True, **ill}) for number in range(1, 7)))
    assert trees.told("many", LONDON) == {1, 2, 3, 4, 5, 6}
