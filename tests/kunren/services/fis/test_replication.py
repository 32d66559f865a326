"""Which rules of a bucket a running action pauses."""

import pytest

from kunren.control.store import Store
from kunren.services.fis.model import RESOURCES, ActionRun, Experiment, Found
from kunren.services.fis.replication import ACTION, PausedReplication, concerns
from kunren.services.s3.model import Bucket


def bucket(name, home="us-east-1"):
    return Bucket(id=name, owner="1", home=home, created=0.0)


def rule(prefix=""):
    return {"Filter": {"Prefix": prefix}, "Destination": {"Bucket": "arn:aws:s3:::copy"}}


@pytest.mark.parametrize(
    ("parameters", "given", "paused"),
    [
        ({}, rule(), True),
        ({"destinationBuckets": "other, copy"}, rule(), True),
        ({"destinationBuckets": "arn:aws:s3:::other"}, rule(), False),
        ({"prefixes": "logs/,a/"}, rule("a/"), True),
        ({"prefixes": "logs/"}, rule("a/"), False),
        ({"prefixes": "a/"}, {"Filter": {"And": {"Prefix": "a/", "Tags": []}}}, True),
        ({"prefixes": "a/"}, {"Prefix": "a/"}, True),
    ],
)
def test_region_name_and_prefix_say_which_rules_are_paused(parameters, given, paused):
    wanted = {"region": "eu-west-1", **parameters}
    assert concerns(wanted, given, bucket("copy", "eu-west-1")) is paused
    assert not concerns(wanted, given, bucket("copy", "us-west-2"))


def test_it_lasts_as_long_as_the_action_runs_and_whoever_copies_is_told():
    store, told = Store(None), []
    store.register(*RESOURCES)
    paused = PausedReplication(store, lambda: told.append(True))
    found = Found(arn="arn:aws:s3:::source", account="1", region="us-east-1", id="source")
    action = {
        "actionId": ACTION,
        "parameters": {"region": "us-east-1", "duration": "PT1M"},
        "targets": {"Buckets": "it"},
    }

    def put(status):
        with store.write() as tx:
            tx.put(Experiment(account="1", region="us-east-1", id="EXP1", description="", role_arn="", template_id="EXT1",
                              actions={"a": action}, runs={"a": ActionRun(status=status)}, found={"it": (found,)},
                              targets={"it": {"resourceType": "aws:s3:bucket"}}, status="running"))  # fmt: skip

    for status, wanted, count in (("pending", False, 0), ("running", True, 1), ("completed", False, 2)):
        put(status)
        assert paused.paused(bucket("source"), rule(), bucket("copy")) is wanted
        assert not paused.paused(bucket("another"), rule(), bucket("copy"))
        assert len(told) == count
