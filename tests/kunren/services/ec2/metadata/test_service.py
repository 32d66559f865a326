"""Instance metadata as an instance asks for it; the sockets are left out."""

import asyncio

import pytest
from msgspec.structs import replace

from kunren.core.calling import nobody_answers
from kunren.dataplane.guests.local_http import Asked
from kunren.services.ec2.instances import images
from kunren.services.ec2.instances.model import Instance
from kunren.services.ec2.instances.types import MACHINE
from kunren.services.ec2.metadata.service import MetadataService
from kunren.services.ec2.metadata.tree import looked_up

TTL, TOKEN = "x-aws-ec2-metadata-token-ttl-seconds", "x-aws-ec2-metadata-token"
TYPE = "t3.micro" if MACHINE == "x86_64" else "t4g.micro"


class Asker:
    """One instance, and the service that answers it."""

    def __init__(self, ec2):
        asked = {"ImageId": images.built_in("us-east-1").id, "InstanceType": TYPE, "MinCount": 1, "MaxCount": 1}
        made = ec2.run_instances(**asked)["Instances"][0]
        self.ec2, self.id, self.vpc, self.address = ec2, made["InstanceId"], made["VpcId"], made["PrivateIpAddress"]
        self.service = MetadataService(ec2.store, ec2.clock, ec2.api.entropy, None, nobody_answers)

    def __call__(self, path, method="GET", source=None, **headers):
        named = {TTL if name == "ttl" else TOKEN if name == "token" else name: each for name, each in headers.items()}
        asked = Asked(source or self.address, method, path, named)
        return asyncio.run(self.service._in_vpc(self.vpc, asked))

    def token(self, ttl="60"):
        return self("/latest/api/token", "PUT", ttl=ttl)

    def options(self, **given):
        self.ec2.modify_instance_metadata_options(InstanceId=self.id, **given)


@pytest.fixture
def ask(ec2):
    return Asker(ec2)


def test_a_token_is_good_for_its_time_and_its_instance_alone(ask, ec2):
    given = ask.token("60")
    assert (given.status, given.hops, given.headers["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"]) == (200, 1, "60")
    ec2.clock.advance(50)
    answer = ask("/latest/meta-data/instance-id", token=given.body)
    assert (answer.body, answer.headers["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"]) == (ask.id, "10")
    ec2.clock.advance(10)
    assert ask("/latest/meta-data/instance-id", token=given.body).status == 401
    other = Asker(ec2)
    other.service = ask.service
    assert other("/latest/meta-data/instance-id", token=ask.token().body).status == 401


@pytest.mark.parametrize("ttl", ["0", "21601", "", "x", "-1", "²", "9" * 5000])
def test_a_token_lasts_from_a_second_to_six_hours(ask, ttl):
    assert ask.token(ttl).status == 400


def test_options_decide_who_is_answered(ask):
    assert ask("/latest/meta-data/instance-id").body == ask.id
    ask.options(HttpTokens="required", HttpPutResponseHopLimit=2)
    assert ask("/latest/meta-data/instance-id").status == 401
    assert ask.token().hops == 2
    ask.options(HttpEndpoint="disabled")
    assert ask.token().status == 403
    assert ask("/latest/meta-data/").status == 403


def test_nobody_else_is_answered_and_nothing_else_is_done(ask):
    assert ask("/latest/meta-data/instance-id", source="172.31.0.200").status == 404
    assert ask("/latest/meta-data/instance-id", "POST").status == 405
    assert ask("/latest/meta-data/none").status == 404
    assert ask("/latest/meta-data/iam/info").status == 404
    assert ask("/latest/user-data").status == 404
    assert ask("/latest/api/token", "PUT", **{"x-forwarded-for": "10.0.0.1"}).status == 403


def test_tags_are_told_where_the_options_say_so(ask, ec2):
    ec2.create_tags(Resources=[ask.id], Tags=[{"Key": "Name", "Value": "web"}])
    assert ask("/latest/meta-data/tags/instance/Name").status == 404
    ask.options(InstanceMetadataTags="enabled")
    assert ask("/latest/meta-data/tags/instance/Name").body == "web"
    assert ask("/latest/meta-data/tags/").body == "instance/"


def test_user_data_is_told_as_it_was_given(ask, ec2):
    with ec2.store.write() as tx:
        tx.put(replace(tx.get(Instance, ec2.account, ec2.region, ask.id), user_data="AP8="))
    assert ask("/latest/user-data").body == b"\x00\xff"


def test_names_with_more_below_have_a_slash_and_keys_their_number():
    tree = {"a": "1", "b": {"c": "2"}, "0=key": "", "0": {"openssh-key": "ssh"}}
    assert looked_up(tree, "") == "a\nb/\n0=key"
    assert looked_up(tree, "0/openssh-key") == "ssh"
    assert looked_up(tree, "b/none") is None
