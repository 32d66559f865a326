"""Distributions with IPv6: names, edge locations, aliases."""

import json

CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2"


def test_a_distribution_with_ipv6_answers_over_it_and_one_without_has_no_address(delivered, kunren, account, until):
    delivered.create(IsIPV6Enabled=True)
    name = delivered.name
    route53 = kunren.client("route53", account=account)
    zone = route53.create_hosted_zone(Name="edge.test", CallerReference="edge")
    alias = {"HostedZoneId": CLOUDFRONT_ZONE, "DNSName": name, "EvaluateTargetHealth": False}
    record = {"Name": "www.edge.test", "Type": "AAAA", "AliasTarget": alias}
    change = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone["HostedZone"]["Id"], ChangeBatch=change)

    def dig(asked, kind):
        return kunren.exec("dig", "+short", asked, kind, place="tokyo").stdout.split()

    (address,) = until(lambda: dig(name, "AAAA"), "an IPv6 address")
    assert address.startswith("3fff:0:6::")
    until(lambda: dig("www.edge.test", "AAAA") == [address], "the alias")
    done = kunren.exec("curl", "-6", "-s", "-i", f"http://{name}/six", place="tokyo", check=False)
    head, _, body = done.stdout.partition("\n\n")
    assert "X-Amz-Cf-Pop: NRT" in head, head
    headers = dict(json.loads(body)["headers"])
    assert headers["x-forwarded-for"].split(", ")[0] == "3fff:0:4:1::10"
    over_tls = kunren.exec("curl", "-6", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"https://{name}/six")
    assert over_tls.stdout == "200"
    delivered.change(IsIPV6Enabled=False)
    assert dig(name, "A")
    until(lambda: not dig(name, "AAAA"), "no IPv6 address")
