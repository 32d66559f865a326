"""S3 in the world: websites by name, and objects that outlive crashes and full disks."""

import hashlib
import json
import os
import random
import resource
import signal
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError


def open_to_all(s3, bucket):
    """Let everybody read a bucket, as AWS wants it done."""
    s3.delete_public_access_block(Bucket=bucket)
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
              "Resource": f"arn:aws:s3:::{bucket}/*"}]}  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def test_a_website_answers_by_its_own_domain_over_http_alone(kunren, account, until):
    s3, route53 = kunren.client("s3", account), kunren.client("route53", account)
    domain = f"www.site-{account[-6:]}.test"
    s3.create_bucket(Bucket=domain)
    open_to_all(s3, domain)
    s3.put_object(Bucket=domain, Key="index.html", Body=b"welcome", ContentType="text/html")
    s3.put_bucket_website(
        Bucket=domain,
        WebsiteConfiguration={
            "IndexDocument": {"Suffix": "index.html"},
            "RoutingRules": [
                {"Condition": {"KeyPrefixEquals": "old"},
                 "Redirect": {"HostName": "new.test", "Protocol": "https", "ReplaceKeyPrefixWith": "new"}}
            ],
        },
    )  # fmt: skip
    zone = route53.create_hosted_zone(Name=domain.partition(".")[2], CallerReference="1")["HostedZone"]["Id"]
    alias = {"HostedZoneId": "Z3AQBSTGFYJSTF", "DNSName": "s3-website-us-east-1.amazonaws.com",
             "EvaluateTargetHealth": False}  # fmt: skip
    record = {"Name": domain, "Type": "A", "AliasTarget": alias}
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    )

    def curl(*options):
        return kunren.exec("curl", "-sS", "--max-time", "5", *options, place="tokyo", check=False)

    until(lambda: curl(f"http://{domain}/").stdout == "welcome", "the page")
    moved = curl("-o", os.devnull, "-w", "%{http_code} %{redirect_url}", f"http://{domain}/old/a").stdout
    assert moved == "301 https://new.test/new/a"
    assert curl(f"http://{domain}.s3-website-us-east-1.amazonaws.com/").stdout == "welcome"
    assert curl(f"https://{domain}/").returncode == 7  # nobody listens there, as on AWS
    direct = curl(f"https://s3.us-east-1.amazonaws.com/{domain}/index.html")
    assert direct.stdout == "welcome"


def write(client, bucket, number, acknowledged):
    """Objects one after the other, small and large, until the daemon is gone."""
    chance = random.Random(number)
    for count in range(10_000):
        key, body = f"{number}/{count}", chance.randbytes(chance.choice((10, 5_000, 60_000, 400_000)))
        try:
            client.put_object(Bucket=bucket, Key=key, Body=body)
        except (BotoCoreError, ClientError):
            return
        acknowledged[key] = hashlib.sha256(body).hexdigest()


def test_no_acknowledged_object_is_lost_by_kill_9(own_kunren, until):
    own_kunren.up()
    own_kunren.client("s3").create_bucket(Bucket="kept")
    acknowledged = {}
    for _ in range(int(os.environ.get("KUNREN_TEST_KILLS", "3"))):
        clients = [own_kunren.client("s3") for _ in range(3)]
        start = len(acknowledged)
        threads = [
            threading.Thread(target=write, args=(client, "kept", start + each, acknowledged))
            for each, client in enumerate(clients)
        ]
        for each in threads:
            each.start()
        enough = start + random.randint(5, 60)
        until(lambda enough=enough: len(acknowledged) >= enough, "objects")
        os.kill(own_kunren.status()["pid"], signal.SIGKILL)
        for each in threads:
            each.join()
        own_kunren.up()
    s3 = own_kunren.client("s3")
    for key, digest in acknowledged.items():
        assert hashlib.sha256(s3.get_object(Bucket="kept", Key=key)["Body"].read()).hexdigest() == digest
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="kept")
    listed = {each["Key"] for page in pages for each in page["Contents"]}
    assert set(acknowledged) <= listed
    known = len({each for each in listed if s3.head_object(Bucket="kept", Key=each)["ContentLength"] > 32 * 1024})
    files = sum(1 for _ in (own_kunren.state / "data" / "s3" / "bodies").glob("??/*"))
    assert files == known  # what was cut off left nothing


def test_a_disk_that_takes_no_more_is_an_error_and_leaves_nothing(own_kunren):
    own_kunren.up()
    s3 = own_kunren.client("s3")
    s3.create_bucket(Bucket="small-disk")
    s3.put_object(Bucket="small-disk", Key="k", Body=b"before")
    pid = own_kunren.status()["pid"]
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (4_000_000, -1))  # what a full disk does to a file
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="small-disk", Key="k", Body=bytes(20_000_000))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    assert caught.value.response["Error"]["Code"] == "InternalError"
    assert "could not be written to disk" in caught.value.response["Error"]["Message"]
    assert s3.get_object(Bucket="small-disk", Key="k")["Body"].read() == b"before"
    assert not list((own_kunren.state / "data" / "s3" / "bodies").glob("??/*"))
    s3.put_object(Bucket="small-disk", Key="k", Body=bytes(20_000_000))
    assert s3.head_object(Bucket="small-disk", Key="k")["ContentLength"] == 20_000_000
