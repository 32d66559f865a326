"""Configurations as users write them (`terraform/*.tf`), unmodified: apply, traffic, empty plan, change, traffic, destroy.

Terraform's AWS provider reads the endpoint from the environment, as the AWS CLI does. Runs where `terraform` is found
and KUNREN_TERRAFORM_PLUGINS names a folder with that provider (as `terraform init -plugin-dir` takes it): it is too
large to be downloaded by a test. Nearly all of the time are pauses that the provider makes before it looks at all.
"""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

CONFIGURATIONS = Path(__file__).parent / "terraform"


class Terraform:
    """One configuration in a folder of its own, applied to one account. `variables` are its Terraform variables."""

    def __init__(self, folder: Path, configuration: str, port: int, account: str, **variables: str) -> None:
        shutil.copy(CONFIGURATIONS / f"{configuration}.tf", folder / "main.tf")
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TF_")},
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            **{f"TF_VAR_{name}": value for name, value in variables.items()},
        }

    def run(self, command: str, *options: str) -> str:
        done = subprocess.run(
            ["terraform", command, "-no-color", *options],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"terraform {command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def apply(self, **variables: str) -> dict[str, object]:
        """Apply twice: what is there is what was asked for, so the second plan has nothing to do. The outputs."""
        self.environment |= {f"TF_VAR_{name}": value for name, value in variables.items()}
        self.run("apply", "-auto-approve")
        self.run("plan", "-detailed-exitcode")
        return {name: each["value"] for name, each in json.loads(self.run("output", "-json")).items()}

    def destroy(self) -> None:
        self.run("destroy", "-auto-approve")


@pytest.fixture
def terraform(kunren, account, tmp_path):
    plugins = os.environ.get("KUNREN_TERRAFORM_PLUGINS")
    if shutil.which("terraform") is None or not plugins:
        pytest.skip("needs terraform, and KUNREN_TERRAFORM_PLUGINS to name a folder with its AWS provider")

    def start(configuration: str, **variables: str) -> Terraform:
        made = Terraform(tmp_path, configuration, kunren.port, account, **variables)
        made.run("init", f"-plugin-dir={plugins}")
        return made

    return start


@pytest.mark.timeout(600)
def test_a_site_behind_a_load_balancer_is_applied_changed_and_destroyed(kunren, account, terraform, until):
    domain = f"t{account}.test"
    site = terraform("application", domain=domain)
    name = site.apply()["balancer"]

    def asked(path: str = "/", *options: str) -> str:
        show = ("-o", "-", "-w", " %{http_code} %{redirect_url} %{ssl_verify_result}")
        return kunren.exec("curl", "-sS", *show, *options, f"https://{domain}{path}", place="london").stdout

    assert asked() == "first 200  0"
    assert asked("/color").endswith("503  0")  # no targets yet
    assert '{"maintenance": true} 503' in asked("/?maintenance=yes", "-H", "X-Team: ops-1")
    plain = kunren.exec("curl", "-sSI", f"http://{domain}/page?a=b", place="tokyo").stdout.lower()
    assert plain.startswith("http/1.1 301")
    assert f"location: https://{domain}:443/page?a=b" in plain
    old = kunren.exec("curl", "-sSI", f"https://old.{domain}/page?a=b", place="tokyo").stdout.lower()
    assert old.startswith(("http/1.1 302", "http/2 302"))
    assert "location: https://new.test:443/page?a=b" in old

    assert site.apply(body="second", blue_weight="50")["balancer"] == name
    until(lambda: asked() == "second 200  0", "the changed answer", 5)
    site.destroy()
    assert kunren.client("elbv2", account).describe_load_balancers()["LoadBalancers"] == []
    assert kunren.client("route53", account).list_hosted_zones()["HostedZones"] == []
    assert kunren.client("acm", account).list_certificates()["CertificateSummaryList"] == []


@pytest.mark.timeout(600)
def test_zones_and_records_are_applied_changed_and_destroyed(kunren, account, terraform, until):
    domain = f"t{account}.test"
    names = terraform("names", domain=domain)
    server = names.apply()["name_servers"][0]

    def asked(name: str, kind: str) -> list[str]:
        told = kunren.exec("dig", f"@{server}", "+norecurse", "+short", name, kind, place="london").stdout
        return sorted(told.splitlines())

    assert asked(f"www.{domain}", "A") == ["198.19.0.10", "198.19.0.11"]
    assert asked(f"mail.{domain}", "MX") == [f"10 mx1.{domain}.", f"20 mx2.{domain}."]
    assert asked(f"caa.{domain}", "CAA") == ['0 issue "ca.test"']
    below = kunren.exec("dig", "+short", f"www.below.{domain}", place="tokyo").stdout
    assert below == "198.19.0.10\n"  # through the delegation
    assert kunren.exec("dig", "+short", "db.internal.test", place="tokyo").stdout == ""  # private zones are unseen here

    names.apply(address="198.19.0.20")
    until(lambda: asked(f"www.{domain}", "A") == ["198.19.0.11", "198.19.0.20"], "the changed record", 5)
    names.destroy()
    assert kunren.client("route53", account).list_hosted_zones()["HostedZones"] == []
    assert [each["IsDefault"] for each in kunren.client("ec2", account).describe_vpcs()["Vpcs"]] == [True]


@pytest.mark.timeout(600)
def test_a_network_is_applied_changed_and_destroyed(kunren, account, terraform, until, running):
    network = terraform("network")
    made = network.apply()
    assert made["account"] == account
    ec2 = kunren.client("ec2", account)
    web = running.target(kunren, "web", (8080, 9090), made["public_subnet"], made["security_group"])

    def code(port: int) -> str:
        curl = ("curl", "-s", "--max-time", "1", "-o", "/dev/null", "-w", "%{http_code}")
        return kunren.exec(*curl, f"http://{web.public_address}:{port}/", place="tokyo", check=False).stdout

    assert (code(8080), code(9090)) == ("200", "000")
    outside = running.target(kunren, "outside", (80,), *open_subnet(ec2))
    command = ("exec", "--subnet", made["private_subnet"], "--security-group", made["security_group"], "--")
    seen = kunren.run(*command, "curl", "-s", "--max-time", "5", f"http://{outside.public_address}/").stdout
    assert json.loads(seen)["peer"] == made["nat_address"]
    names = kunren.run(*command, "dig", "+short", "sqs.us-east-1.amazonaws.com").stdout.split()
    assert sorted(name.rpartition(".")[0] for name in names) == ["10.30.10", "10.30.11"]  # the endpoint's own addresses

    network.apply(open_port="9090")
    until(lambda: (code(8080), code(9090)) == ("000", "200"), "the other port open", 10)
    assert web.end() is not None
    network.destroy()
    assert [each["IsDefault"] for each in ec2.describe_vpcs()["Vpcs"]] == [True]
    assert ec2.describe_addresses()["Addresses"] == []


def open_subnet(ec2) -> tuple[str, str]:
    """A subnet of the default VPC, and a group that lets everybody in."""
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="open", Description="open", VpcId=vpc)["GroupId"]
    everybody = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[everybody])
    return ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"][0]["SubnetId"], group


@pytest.mark.timeout(600)
def test_a_network_load_balancer_is_applied_changed_and_destroyed(kunren, account, terraform, until, programs):
    streams = terraform("streams")
    made = streams.apply()
    where = ("--subnet", made["subnet"], "--security-group", made["security_group"], "--address", "10.50.0.100")
    one = programs(kunren, "flow_target.py", "one", "9000", "9001", "9002", where=where)
    one.hear_until("ready")
    client = programs(kunren, "flow_client.py", where=("--from", "tokyo"))

    def told(**wanted: object) -> dict[str, object]:
        client.say(json.dumps(wanted))
        return json.loads(client.hear())

    elb = kunren.client("elbv2", account)
    groups = {each["TargetGroupName"]: each for each in elb.describe_target_groups()["TargetGroups"]}

    def healthy(group: str) -> bool:
        shown = elb.describe_target_health(TargetGroupArn=groups[group]["TargetGroupArn"])["TargetHealthDescriptions"]
        return [each["TargetHealth"]["State"] for each in shown] == ["healthy"]

    until(lambda: healthy("streams-tcp") and healthy("streams-udp"), "healthy targets")
    addresses = kunren.exec("dig", "+short", made["balancer"], place="tokyo").stdout.split()
    assert sorted(addresses) == sorted(made["addresses"])
    for address in addresses:  # both zones, one target
        assert told(open=[address, 7000])["said"][0] == "one"
    own = told(address=True)["said"]
    assert told(datagrams=[made["balancer"], 7001])["said"] == [["one", own]]

    streams.apply(listener_port="7002", preserve="true")
    until(lambda: told(open=[made["balancer"], 7002]).get("said") == ["one", own], "the changed port and address", 10)
    assert told(open=[made["balancer"], 7000], timeout=0.3) == {"error": "TimeoutError"}
    assert one.end() is not None
    streams.destroy()
    assert elb.describe_load_balancers()["LoadBalancers"] == []
    assert kunren.client("ec2", account).describe_addresses()["Addresses"] == []


GREETER = """
import os, words
def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": os.environ["GREETING"] + words.END}
"""


@pytest.mark.timeout(600)
def test_a_function_with_all_that_belongs_to_it_is_applied_changed_and_destroyed(kunren, account, terraform, until):
    functions = terraform("functions")
    for name, file, text in (("app.zip", "app.py", GREETER), ("layer.zip", "python/words.py", 'END = "!"\n')):
        with zipfile.ZipFile(functions.folder / name, "w") as archive:
            archive.writestr(file, text)
    made = functions.apply()
    assert made["version"] == "1"
    assert kunren.exec("curl", "-sS", made["url"], place="tokyo").stdout == "hello!"
    queue = kunren.client("sqs", account)
    queue.send_message(QueueUrl=made["queue"], MessageBody="from a queue")

    def waiting() -> list[str]:
        wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return list(queue.get_queue_attributes(QueueUrl=made["queue"], AttributeNames=wanted)["Attributes"].values())

    until(lambda: waiting() == ["0", "0"], "the message handled", 30)

    assert functions.apply(greeting="good day")["version"] == "2"
    until(lambda: kunren.exec("curl", "-sS", made["url"], place="tokyo").stdout == "good day!", "the new version", 10)
    functions.destroy()
    assert kunren.client("lambda", account).list_functions()["Functions"] == []
