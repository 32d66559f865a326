"""The proxy dies under load: traffic comes back by itself, and nobody at the API notices."""

import os
import signal
from pathlib import Path

from kunren.settings import run_dir


def proxies(state):
    """The Envoys of this Kunren, by the file they were started with."""
    bootstrap = str(run_dir(state) / "envoy.json").encode()
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = each.read_bytes().split(b"\0")
        except OSError:  # it has just ended
            continue
        if bootstrap in words and words[0].endswith(b"envoy"):
            found.append(int(each.parent.name))
    return found


def test_a_killed_proxy_comes_back_under_load_and_the_api_is_unharmed(own_kunren, account, running, until):
    own_kunren.up()
    elb, ec2 = (own_kunren.client(each, account) for each in ("elbv2", "ec2"))
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]
    arn, url = balancer["LoadBalancerArn"], f"http://{balancer['DNSName']}/"

    def says(text):
        return [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": text}}]

    listener = elb.create_listener(LoadBalancerArn=arn, Port=80, Protocol="HTTP", DefaultActions=says("before"))
    listener = listener["Listeners"][0]["ListenerArn"]
    client = running.client(own_kunren, "virginia")
    until(lambda: client.status(url) == 200, "an answer")
    client.tell({"stream": url, "threads": 4})

    def answered(text):
        return sum(each.get("body") == text for each in client.tell({"seen": True}))

    until(lambda: answered("before") > 20, "load")
    (killed,) = proxies(own_kunren.state)
    os.kill(killed, signal.SIGKILL)
    elb.modify_listener(ListenerArn=listener, DefaultActions=says("after"))  # whether it is back or not
    for _ in range(20):
        shown = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]
        assert shown["State"]["Code"] == "active"
    until(lambda: answered("after") > 20, "traffic through the next proxy, as it was told to be")
    client.tell({"stop": True})
    (lives,) = proxies(own_kunren.state)
    assert lives != killed
