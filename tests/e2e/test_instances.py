"""EC2 instances as their users have them: launched, reached, asked from inside, stopped, started, lost and ended."""

import base64
import json
import os
import re
import signal
import tarfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from oci import PYTHON, layer, layout, python_files

SERVER = """#!/bin/sh
echo "user data runs"
mkdir -p /srv/www /var/lib/cloud/scripts/per-boot
hostname > /srv/www/index.html
cat > /var/lib/cloud/scripts/per-boot/web <<'END'
#!/bin/sh
cd /srv/www
exec nohup python3 -m http.server 80 > /var/log/web.log 2>&1 &
END
chmod +x /var/lib/cloud/scripts/per-boot/web
/var/lib/cloud/scripts/per-boot/web
echo once >> /var/lib/runs
"""


# What root inside can't do to the machine outside, to the world's network, or to its own way there.
HARM = """
(echo x > /usr/x) 2> /dev/null || (echo x > /proc/sys/kernel/core_pattern) 2> /dev/null ||
    mount -o remount,rw /usr 2> /dev/null || umount /usr 2> /dev/null || umount /proc/sys 2> /dev/null || ip route del default 2> /dev/null || echo nothing
"""


class Machines:
    """Instances of one account, and the group that lets port 80 in."""

    def __init__(self, kunren, account, until):
        self.kunren, self.until = kunren, until
        self.ec2, self.iam = kunren.client("ec2", account), kunren.client("iam", account)
        images = self.ec2.describe_images(Owners=["amazon"], Filters=[{"Name": "name", "Values": ["kunren-*"]}])
        self.image = images["Images"][0]
        self.type = "t3.micro" if self.image["Architecture"] == "x86_64" else "t4g.micro"
        vpc = self.ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = sorted(self.ec2.describe_subnets()["Subnets"], key=lambda each: each["AvailabilityZone"])
        self.subnets = [each["SubnetId"] for each in subnets[:2]]
        self.group = self.ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        self.rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[self.rule])

    def launch(self, **given):
        asked = {
            "ImageId": self.image["ImageId"], "InstanceType": self.type, "MinCount": 1, "MaxCount": 1,
            "SecurityGroupIds": [self.group], "SubnetId": self.subnets[0], **given,
        }  # fmt: skip
        return self.ec2.run_instances(**asked)["Instances"][0]["InstanceId"]

    def show(self, id):
        return self.ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]

    def wait(self, id, state):
        return self.until(lambda: (shown := self.show(id))["State"]["Name"] == state and shown, f"{id} {state}", 60)

    def ssh(self, id, *command, **options):
        return self.kunren.run("ssh", id, "--", *command, **options)

    def fetched(self, address, place="tokyo"):
        done = self.kunren.exec("curl", "-sS", "--max-time", "2", f"http://{address}/", place=place, check=False)
        return done.stdout.strip() if done.returncode == 0 else done.returncode

    def console(self, id):
        return self.ec2.get_console_output(InstanceId=id).get("Output", "")

    def end(self, *ids):
        self.ec2.terminate_instances(InstanceIds=list(ids))
        for each in ids:
            self.wait(each, "terminated")


@pytest.fixture
def machines(kunren, account, until):
    return Machines(kunren, account, until)


def test_an_instance_serves_the_internet_keeps_its_disk_and_ends(machines, until):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web-1"}]}]
    id = machines.launch(UserData=SERVER, TagSpecifications=tags)
    shown = machines.wait(id, "running")
    address = shown["PublicIpAddress"]
    name = "ip-" + shown["PrivateIpAddress"].replace(".", "-")
    until(lambda: machines.fetched(address) == name, "the page that the user data made")
    assert "user data runs" in machines.console(id)
    machines.ec2.revoke_security_group_ingress(GroupId=machines.group, IpPermissions=[machines.rule])
    until(lambda: machines.fetched(address) == 28, "silence behind the security group")
    machines.ec2.authorize_security_group_ingress(GroupId=machines.group, IpPermissions=[machines.rule])

    machines.ec2.stop_instances(InstanceIds=[id])
    stopped = machines.wait(id, "stopped")
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert stopped["PrivateIpAddress"] == shown["PrivateIpAddress"]
    until(lambda: "PublicIpAddress" not in machines.show(id), "the public address given back")
    assert machines.fetched(address) == 28
    assert "does not run" in machines.ssh(id, "true").stderr

    machines.ec2.start_instances(InstanceIds=[id])
    again = machines.wait(id, "running")
    until(lambda: machines.fetched(again["PublicIpAddress"]) == name, "the page from the kept disk")
    assert machines.ssh("web-1", "cat", "/var/lib/runs").stdout == "once\n"
    assert machines.ssh("web-1", "sh", "-c", HARM).stdout == "nothing\n"
    if os.geteuid() == 0:  # an ordinary user's Kunren has no users to give
        assert machines.ssh("web-1", "runuser", "-u", "nobody", "--", "id", "-u").stdout == "65534\n"

    machines.ssh(id, "poweroff")  # which ends with the instance
    stopped = machines.wait(id, "stopped")
    assert stopped["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    machines.end(id)
    assert machines.ec2.describe_volumes()["Volumes"] == []
    assert machines.ec2.describe_network_interfaces()["NetworkInterfaces"] == []


METADATA = """
B=http://169.254.169.254/latest
v1=$(curl -sS -o /dev/null -w '%{http_code}' $B/meta-data/instance-id)
T=$(curl -sS -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" $B/api/token)
get() { curl -sS -H "X-aws-ec2-metadata-token: $T" "$B/$1"; }
long=$(curl -sS -o /dev/null -w '%{http_code}' -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 21601" $B/api/token)
proxied=$(curl -sS -o /dev/null -w '%{http_code}' -X PUT -H "X-Forwarded-For: 10.0.0.1" \
    -H "X-aws-ec2-metadata-token-ttl-seconds: 60" $B/api/token)
echo "$v1 $long $proxied"
mac=$(get meta-data/mac)
for path in instance-id ami-id local-ipv4 public-ipv4 placement/availability-zone tags/instance/Name \
    network/interfaces/macs/$mac/interface-id security-groups iam/security-credentials/; do
    echo "$(get meta-data/$path)"
done
get dynamic/instance-identity/document
"""


def test_an_instance_is_told_about_itself_and_has_its_roles_credentials(machines, account, tmp_path):
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    machines.iam.create_role(RoleName="web", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    machines.iam.create_instance_profile(InstanceProfileName="web-profile")
    machines.iam.add_role_to_instance_profile(InstanceProfileName="web-profile", RoleName="web")
    id = machines.launch(
        IamInstanceProfile={"Name": "web-profile"},
        MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "told"}]}],
    )
    shown = machines.wait(id, "running")
    first, *told, document = re.split(r"\n(?!  |})", machines.ssh(id, "sh", "-c", METADATA, check=True).stdout)
    assert first == "401 400 403"
    assert told == [
        id, machines.image["ImageId"], shown["PrivateIpAddress"], shown["PublicIpAddress"],
        shown["Placement"]["AvailabilityZone"], "told", shown["NetworkInterfaces"][0]["NetworkInterfaceId"], "web", "web",
    ]  # fmt: skip
    assert json.loads(document)["accountId"] == account
    asked = machines.ssh(id, "python3", "-c", CALLER, input=_packages(tmp_path), check=True).stdout
    assert asked.strip() == f"arn:aws:sts::{account}:assumed-role/web/{id}"

    machines.iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    machines.iam.create_instance_profile(InstanceProfileName="other")
    machines.iam.add_role_to_instance_profile(InstanceProfileName="other", RoleName="other")
    (held,) = machines.ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
    assert (held["InstanceId"], held["State"]) == (id, "associated")
    changed = machines.ec2.replace_iam_instance_profile_association(
        AssociationId=held["AssociationId"], IamInstanceProfile={"Name": "other"}
    )["IamInstanceProfileAssociation"]
    assert changed["IamInstanceProfile"]["Arn"] == f"arn:aws:iam::{account}:instance-profile/other"
    assert changed["AssociationId"] != held["AssociationId"]
    assert machines.ssh(id, "sh", "-c", METADATA, check=True).stdout.split("\n{")[0].endswith("other")
    gone = machines.ec2.disassociate_iam_instance_profile(AssociationId=changed["AssociationId"])
    assert gone["IamInstanceProfileAssociation"]["State"] == "disassociating"
    assert "IamInstanceProfile" not in machines.show(id)
    machines.end(id)


CALLER = """
import base64, io, sys, tarfile
tarfile.open(fileobj=io.BytesIO(base64.b64decode(sys.stdin.read()))).extractall("/opt/packages")
sys.path.insert(0, "/opt/packages")
import boto3, botocore.session
from botocore.utils import IMDSRegionProvider
region = IMDSRegionProvider(botocore.session.get_session()).provide()
print(boto3.client("sts", region_name=region).get_caller_identity()["Arn"])
"""


def _packages(folder: Path) -> str:
    """boto3 and what it needs, with the models of STS alone, as base64 of an archive."""
    archive = folder / "packages.tar.gz"

    def wanted(member):
        name = member.name
        if "/data/" in name and not re.search(r"/data/(endpoints|partitions|sdk-default|_retry|sts)", name):
            return None
        return None if "__pycache__" in name else member

    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name in ("boto3", "botocore", "jmespath", "s3transfer", "dateutil", "urllib3", "six"):
            origin = Path(find_spec(name).origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            tar.add(source, source.name, filter=wanted)
    return base64.b64encode(archive.read_bytes()).decode()


def start_task(daemon, subnet):
    """Of ECS, idle; the function that shows it."""
    daemon.client("ecs").create_cluster(clusterName="c")
    daemon.client("ecs").register_task_definition(
        family="idle", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        containerDefinitions=[{"name": "main", "image": "busybox", "command": ["sleep", "600"]}],
    )  # fmt: skip
    task = daemon.client("ecs").run_task(
        cluster="c", taskDefinition="idle", launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
    )["tasks"][0]["taskArn"]  # fmt: skip
    return lambda: daemon.client("ecs").describe_tasks(cluster="c", tasks=[task])["tasks"][0]


def test_instances_of_an_ordinary_user_survive_the_daemons_death_and_tasks_end_with_it(users_kunren, until):
    daemon = users_kunren
    machines = Machines(daemon, "000000000000", until)
    task = start_task(daemon, machines.subnets[0])
    until(lambda: task()["lastStatus"] == "RUNNING", "the task", 60)
    id = machines.launch(UserData=SERVER)
    shown = machines.wait(id, "running")
    until(lambda: machines.fetched(shown["PublicIpAddress"]) not in (7, 28), "the page")
    os.kill(daemon.pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{daemon.pid}").exists(), "the daemon gone")
    daemon.up()
    ended = until(lambda: (shown := task())["lastStatus"] == "STOPPED" and shown, "the task's end", 60)
    assert ended["stopCode"] == "TerminationNotice"  # a host that has failed; who wants another asks for another
    again = machines.wait(id, "running")
    for name in ("InstanceId", "PrivateIpAddress", "PublicIpAddress", "BlockDeviceMappings", "LaunchTime"):
        assert again[name] == shown[name]
    until(lambda: machines.fetched(again["PublicIpAddress"]) not in (7, 28), "the page once more")
    assert machines.ssh(id, "cat", "/var/lib/runs").stdout == "once\n"
    machines.end(id)
    assert machines.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    disks = daemon.state / "data" / "disks"
    until(lambda: not list(disks.iterdir()), "no disk left")


def test_an_instance_is_a_target_behind_a_load_balancer_and_an_image_boots_as_its_source(machines, account, until):
    elb = machines.kunren.client("elbv2", account)
    id = machines.launch(UserData=SERVER)
    shown = machines.wait(id, "running")
    until(lambda: machines.fetched(shown["PublicIpAddress"]) not in (7, 28), "the page")
    image = machines.ec2.create_image(InstanceId=id, Name="copied")["ImageId"]
    machines.ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    copied = machines.launch(ImageId=image)
    group = elb.create_target_group(
        Name="machines", Protocol="HTTP", Port=80, VpcId=shown["VpcId"], TargetType="instance",
        HealthCheckIntervalSeconds=25, HealthCheckTimeoutSeconds=24, HealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    machines.wait(copied, "running")
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": id}, {"Id": copied}])
    balancer = elb.create_load_balancer(Name="front", Subnets=machines.subnets, SecurityGroups=[machines.group])[
        "LoadBalancers"
    ][0]
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Port=80, Protocol="HTTP", DefaultActions=forward)

    def states():
        listed = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return {each["Target"]["Id"]: each["TargetHealth"]["State"] for each in listed}

    until(lambda: states() == {id: "healthy", copied: "healthy"}, lambda: f"healthy instances: {states()}", 60)
    page = "ip-" + shown["PrivateIpAddress"].replace(".", "-")
    until(lambda: machines.fetched(balancer["DNSName"]) == page, "the page through the load balancer")
    drawn = machines.kunren.run("graph", "--account", account, check=True).stdout
    assert drawn.count(id) >= 1
    machines.ec2.stop_instances(InstanceIds=[copied])
    machines.wait(copied, "stopped")
    assert states() == {id: "healthy", copied: "unused"}
    machines.end(id, copied)
    until(lambda: states() == {}, "terminated instances deregistered")
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancerArn"])


WEB = """
import os, socket
with socket.create_server(("", 80)) as server:
    while True:
        client, _ = server.accept()
        client.recv(4096)
        client.sendall(f"HTTP/1.0 200 OK\\r\\n\\r\\n{os.environ['PAGE']}\\n".encode())
        client.close()
"""


def test_a_containers_image_is_imported_and_its_instances_boot_its_own_files(machines, account, tmp_path, until):
    files = [*python_files(), Path("/bin/sh")]
    layout(tmp_path, layer({"srv/web.py": WEB}, files=files), Entrypoint=[PYTHON, "-I", "-S"], Cmd=["web.py"],
           Env=["PAGE=of the image"], WorkingDir="/srv")  # fmt: skip
    options = ("--account", account, "--start", "--json")
    made = json.loads(
        machines.kunren.run("image", "import", str(tmp_path), "--name", "web-1", *options, check=True).stdout
    )
    again = machines.kunren.run("image", "import", str(tmp_path), "--name", "web-1", *options)
    assert f"AMI name web-1 is already in use by AMI {made['image']}" in again.stderr
    shown = machines.ec2.describe_images(ImageIds=[made["image"]])["Images"][0]
    assert (shown["State"], shown["Name"], shown["OwnerId"]) == ("available", "web-1", account)
    id = machines.launch(ImageId=made["image"])
    address = machines.wait(id, "running")["PublicIpAddress"]
    until(
        lambda: machines.fetched(address) == "of the image",
        "the page that the image's command serves",
    )
    outside = "test ! -e /usr/bin/env && echo only its own"
    assert machines.ssh(id, "sh", "-c", outside).stdout == "only its own\n"
    machines.end(id)


COUNTER = """#!/bin/sh
nohup setsid sh -c 'at=0; while :; do at=$((at + 1)); echo "$$ $at" > /run/new; mv /run/new /run/count; sleep 0.02; done' > /dev/null 2>&1 &
"""


def test_a_hibernated_instance_goes_on_where_it_was_and_can_be_terminated(machines, until):
    encrypted = [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}]
    id = machines.launch(
        HibernationOptions={"Configured": True}, BlockDeviceMappings=encrypted, UserData=SERVER + COUNTER
    )
    shown = machines.wait(id, "running")
    assert shown["HibernationOptions"] == {"Configured": True}

    def count():
        done = machines.ssh(id, "cat", "/run/count")
        return tuple(map(int, done.stdout.split())) if done.returncode == 0 else ()

    until(lambda: machines.fetched(shown["PublicIpAddress"]) not in (7, 28) and len(count()) == 2, "page and counter")
    process, before = count()
    machines.ec2.stop_instances(InstanceIds=[id], Hibernate=True)
    stopped = machines.wait(id, "stopped")
    assert stopped["StateReason"]["Message"] == "Client.UserInitiatedHibernate: User initiated hibernate"
    until(lambda: "PublicIpAddress" not in machines.show(id), "the public address given back")
    assert "does not run" in machines.ssh(id, "true").stderr
    group = ("--subnet", machines.subnets[0], "--security-group", machines.group)
    near = ("curl", "-sS", "--max-time", "0.5", f"http://{shown['PrivateIpAddress']}/")
    assert machines.kunren.run("exec", *group, "--", *near).returncode == 28
    machines.ec2.start_instances(InstanceIds=[id])
    again = machines.wait(id, "running")
    assert again["PrivateIpAddress"] == shown["PrivateIpAddress"]
    until(lambda: (process, before) < count() < (process + 1,), "the counter of the same process going on")
    until(lambda: machines.fetched(again["PublicIpAddress"]) not in (7, 28), "the page at another address")
    assert machines.ssh(id, "cat", "/var/lib/runs").stdout == "once\n"

    machines.ec2.stop_instances(InstanceIds=[id], Hibernate=True)
    machines.wait(id, "stopped")
    machines.end(id)
