"""A Kunren's life: up, down, killed, beside another one; what it leaves; what its commands promise to scripts."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kunren.settings import run_dir

# -- what is left on the machine -------------------------------------------------------------------------------------


def processes_of(kunren):
    """pid → command line of every process that has to do with this Kunren: by its command line, its environment, its
    files, or by being a child of one that has."""
    marks = (str(kunren.state.resolve()), str(run_dir(kunren.state)))
    found, parents = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            opened = [str(each.readlink()) for each in (entry / "fd").iterdir()]
        except OSError:
            continue
        parents[int(entry.name)] = int(parent)
        if state != "Z" and any(mark in text for mark in marks for text in (command, *opened)):
            found[int(entry.name)] = command
    grown = True
    while grown:
        more = {pid: "a child" for pid, parent in parents.items() if parent in found and pid not in found}
        found.update(more)
        grown = bool(more)
    found.pop(os.getpid(), None)
    return found


def processes():
    """The numbers of all of them."""
    return {each.name for each in Path("/proc").glob("[0-9]*")}


def namespaces(of):
    """Every namespace that one of these processes is in: what is gone gives its number to the next that anybody makes."""
    found = set()
    for process in of:
        try:
            found |= {str(link.readlink()) for link in Path("/proc", process, "ns").iterdir()}
        except OSError:
            continue
    return found


def mounts_of(kunren):
    """Mount points of this Kunren in any process's view."""
    marks = (str(kunren.state.resolve()), str(run_dir(kunren.state)))
    lines = {line for line in Path("/proc/self/mounts").read_text().splitlines() if "/run/netns" in line}
    for table in Path("/proc").glob("[0-9]*/mounts"):
        try:
            lines |= {line for line in table.read_text().splitlines() if any(mark in line for mark in marks)}
        except OSError:
            continue
    return lines


def sockets_of(kunren):
    """Unix sockets in its run folder, by path or by the kernel's list; and its port, where it is open."""
    mark = str(run_dir(kunren.state))
    named = {line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines() if mark in line}
    return named | ({str(run_dir(kunren.state))} if run_dir(kunren.state).exists() else set())


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def start_everything(kunren):
    """A world with a load balancer, a client place, a moto child, a function's worker: all kinds of children."""
    elb, ec2 = kunren.client("elbv2"), kunren.client("ec2")
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"]][:2]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="front", Description="front", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
    )
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets, SecurityGroups=[group])["LoadBalancers"][0]
    response = {"StatusCode": "200", "ContentType": "text/plain", "MessageBody": "here"}
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": response}],
    )
    elb.get_waiter("load_balancer_available").wait(
        LoadBalancerArns=[balancer["LoadBalancerArn"]], WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    kunren.client("sqs").create_queue(QueueName="kept")
    return balancer["DNSName"]


def fetched(kunren, name, place="tokyo"):
    return kunren.exec("curl", "-sS", "--max-time", "10", f"http://{name}/", place=place).stdout


def namespaces_of_the_world(kunren):
    """All of them: the agent's own, every network namespace that the world names, and what `kunren exec` adds."""
    agent = next(part["status"]["agent_pid"] for part in kunren.status()["parts"] if part["name"] == "world")
    found = {str(each.readlink()) for each in Path(f"/proc/{agent}/ns").iterdir()}
    found |= {f"net:[{each.stat().st_ino}]" for each in Path(f"/proc/{agent}/root/run/netns").iterdir()}
    found |= set(kunren.exec("sh", "-c", "readlink /proc/self/ns/*").stdout.split())
    return found - {str(each.readlink()) for each in Path("/proc/self/ns").iterdir()}


def leave_a_daemon_in_the_world(kunren):
    """A grandchild that outlives its parents, as daemons do."""
    kunren.exec("sh", "-c", f"setsid sh -c 'sleep 300; : {kunren.state}' >/dev/null 2>&1 & exit 0")


def test_down_leaves_no_process_namespace_mount_or_socket(own_kunren, until):
    own_kunren.up()
    name = start_everything(own_kunren)
    assert fetched(own_kunren, name) == "here"
    subnet = own_kunren.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    target = own_kunren.popen("--subnet", subnet, "--", "sleep", "1000", stderr=subprocess.PIPE)
    target.stderr.readline()
    leave_a_daemon_in_the_world(own_kunren)
    inside, there = namespaces_of_the_world(own_kunren), processes()
    assert len([each for each in inside if each.startswith("net:")]) >= 5
    assert len(processes_of(own_kunren)) >= 5  # daemon, agent, Envoy, moto, the two above
    assert sockets_of(own_kunren)
    ports = own_kunren.status()["ports"]
    assert listens(ports["api"])
    assert listens(ports["proxy"])

    own_kunren.run("down", check=True)
    assert not listens(ports["api"])
    assert not listens(ports["proxy"])
    assert processes_of(own_kunren).keys() <= {target.pid}  # the command of the host, which sees its program ended
    assert target.wait(5) != 0
    target.stderr.close()
    until(lambda: not inside & namespaces(there), lambda: f"no namespace, but {inside & namespaces(there)}")
    assert mounts_of(own_kunren) == set()
    assert sockets_of(own_kunren) == set()
    assert {each.name for each in own_kunren.state.iterdir()} <= {"ca", "data", "kunren.db", "lock", "logs"}


def test_a_killed_daemon_leaves_no_process_and_the_next_one_has_everything(own_kunren, until):
    own_kunren.up()
    name = start_everything(own_kunren)
    assert fetched(own_kunren, name) == "here"
    leave_a_daemon_in_the_world(own_kunren)
    inside, there = namespaces_of_the_world(own_kunren), processes()
    os.kill(own_kunren.pid, signal.SIGKILL)
    until(lambda: not processes_of(own_kunren), lambda: f"no process, but {processes_of(own_kunren)}")
    until(lambda: not inside & namespaces(there), lambda: f"no namespace, but {inside & namespaces(there)}")
    done = own_kunren.run("status")
    assert done.returncode == 1
    assert "No Kunren runs" in done.stderr

    own_kunren.up()
    balancers = own_kunren.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert [each["DNSName"] for each in balancers] == [name]
    assert fetched(own_kunren, name, "london") == "here"
    queues = own_kunren.client("sqs").list_queues()["QueueUrls"]
    assert [each.rpartition("/")[2] for each in queues] == ["kept"]


def test_an_acknowledged_write_survives_the_kill_that_follows_it(own_kunren):
    own_kunren.up("--speed", "1000")
    own_kunren.client("s3").create_bucket(Bucket="before")
    zone = own_kunren.client("route53").create_hosted_zone(Name="kept.test", CallerReference="1")["HostedZone"]["Id"]
    os.kill(own_kunren.pid, signal.SIGKILL)
    own_kunren.up()
    assert own_kunren.client("route53").get_hosted_zone(Id=zone)["HostedZone"]["Name"] == "kept.test."
    own_kunren.client("s3").create_bucket(Bucket="later")  # AWS time did not go back, though it is as fast as any now
    made = {each["Name"]: each["CreationDate"] for each in own_kunren.client("s3").list_buckets()["Buckets"]}
    assert made["before"] < made["later"]


def test_down_and_up_come_back_to_the_same_world(own_kunren):
    own_kunren.up()
    name = start_everything(own_kunren)
    address = own_kunren.exec("dig", "+short", name).stdout.split()
    own_kunren.run("down", check=True)
    own_kunren.up()
    assert sorted(own_kunren.exec("dig", "+short", name).stdout.split()) == sorted(address)
    assert fetched(own_kunren, name) == "here"


def test_two_kunrens_side_by_side_know_nothing_of_each_other(own_kunren, kunren, account):
    own_kunren.up()
    assert own_kunren.port != kunren.port
    for daemon, domain in ((kunren, f"one-{account}.test"), (own_kunren, f"two-{account}.test")):
        zone = daemon.client("route53", account).create_hosted_zone(Name=domain, CallerReference=domain)["HostedZone"]
        record = {"Name": domain, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "198.18.200.1"}]}
        change = daemon.client("route53", account).change_resource_record_sets(
            HostedZoneId=zone["Id"],
            ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
        )
        daemon.client("route53", account).get_waiter("resource_record_sets_changed").wait(
            Id=change["ChangeInfo"]["Id"], WaiterConfig={"Delay": 1}
        )
    for daemon, own, other in ((kunren, "one", "two"), (own_kunren, "two", "one")):
        assert daemon.exec("dig", "+short", f"{own}-{account}.test").stdout == "198.18.200.1\n"
        assert "NXDOMAIN" in daemon.exec("dig", f"{other}-{account}.test").stdout


# -- starting where it can't be started ------------------------------------------------------------------------------


def one_paragraph(done):
    """A failure as a user should meet it: exit code 1, one paragraph, no traceback."""
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


def test_a_taken_port_ends_in_one_clear_paragraph(own_kunren):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = own_kunren.run("up", "--detach", "--port", str(port), "--proxy-port", "0")
        assert str(port) in one_paragraph(done)
        done = own_kunren.run("up", "--detach", "--port", "0", "--proxy-port", str(port))
        assert str(port) in one_paragraph(done)
        foreground = own_kunren.run("up", "--port", str(port), "--proxy-port", "0")
        assert str(port) in one_paragraph(foreground)
    assert processes_of(own_kunren) == {}
    assert sockets_of(own_kunren) == set()


def test_a_state_folder_in_use_or_unusable_ends_in_one_clear_paragraph(own_kunren, tmp_path):
    own_kunren.up()
    done = own_kunren.run("up", "--detach", "--port", "0", "--proxy-port", "0")
    assert "already running" in one_paragraph(done)
    assert own_kunren.status()["pid"] == own_kunren.pid  # the running one is unharmed
    (tmp_path / "file").write_text("")
    own_kunren.run("down", check=True)
    own_kunren.state = tmp_path / "file" / "state"
    text = one_paragraph(own_kunren.run("up", "--detach", "--port", "0", "--proxy-port", "0"))
    assert str(tmp_path / "file") in text


@pytest.mark.parametrize("command", ["status", "down", "env", "exec"])
def test_without_a_daemon_every_command_says_so(own_kunren, command):
    done = own_kunren.run(command, *(["--", "true"] if command == "exec" else []))
    assert "No Kunren runs" in one_paragraph(done)


def test_a_world_file_that_is_wrong_is_refused_by_name(own_kunren, tmp_path):
    world = tmp_path / "world.yaml"
    world.write_text("places:\n  - {name: Kyoto City}\n")
    done = own_kunren.run("up", "--detach", "--port", "0", "--proxy-port", "0", "--world", str(world))
    assert "world.yaml: places[0]" in one_paragraph(done)


def test_a_world_file_adds_a_place(own_kunren, tmp_path):
    world = tmp_path / "world.yaml"
    place = "{name: kyoto, latitude: 35.01, longitude: 135.77, country: JP, continent: AS}"
    world.write_text(f"default_place: kyoto\nplaces:\n  - {place}\n")
    own_kunren.up("--world", str(world))
    assert own_kunren.exec("hostname", "-I", place="kyoto").stdout == own_kunren.exec("hostname", "-I").stdout


# -- what scripts rely on --------------------------------------------------------------------------------------------


def test_status_is_one_json_object_with_parts_resources_and_unanswered_calls(kunren, account, until):
    kunren.client("ec2", account).describe_vpcs()
    gone = kunren.client("comprehend", account, config=no_retries())
    with pytest.raises(Exception, match="comprehend") as refused:
        gone.list_endpoints()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    status = kunren.status()
    assert {"version", "pid", "uptime_s", "clock", "ports", "state", "parts", "resources", "not_implemented"} <= set(
        status
    )
    assert status["state"] == str(kunren.state.resolve())
    assert {part["name"] for part in status["parts"]} >= {"world", "envoy", "dns", "moto"}

    def ill():
        """Parts that are not well now: what others do with this daemon may be tried again for a while."""
        return [part for part in kunren.status()["parts"] if not part["ok"]]

    until(lambda: not ill(), lambda: f"all parts well, but {ill()}")
    assert status["resources"]["ec2"]["vpc"] >= 1
    assert {"service": "comprehend", "operation": "ListEndpoints"}.items() <= next(
        each for each in status["not_implemented"] if each["service"] == "comprehend"
    ).items()
    plain = kunren.run("status", check=True).stdout
    assert "world\tok\t" in plain
    assert "\x1b" not in plain


def no_retries():
    from botocore.config import Config

    return Config(retries={"total_max_attempts": 1})


def test_doctor_says_what_the_machine_has(kunren):
    report = json.loads(kunren_doctor(kunren, "--json").stdout)
    assert report["ready"] is True
    for check in report["checks"]:
        assert {"name", "ok", "needed", "purpose", "detail", "remedy"} <= set(check)
        assert check["ok"] or check["remedy"]
    assert len(kunren_doctor(kunren).stdout.splitlines()) == len(report["checks"])


def kunren_doctor(kunren, *options):
    """`doctor` is about the machine: it takes no state folder."""
    return subprocess.run(
        [sys.executable, "-m", "kunren.cli.main", "doctor", *options],
        capture_output=True,
        text=True,
        check=True,
        env=kunren.environment,
    )


def test_logs_prints_a_part_and_names_those_there_are(kunren):
    assert kunren.run("logs", check=True).returncode == 0
    assert kunren.run("logs", "-n", "5", "envoy", check=True).stdout.count("\n") <= 5
    assert "daemon" in one_paragraph(kunren.run("logs", "nothing-such"))


def test_ca_names_the_certificate_that_signs_the_world(kunren):
    path = Path(kunren.run("ca", check=True).stdout.strip())
    assert path.is_file()
    assert path.read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_env_points_tools_of_the_host_at_this_kunren(kunren, account):
    text = kunren.run("env", check=True).stdout
    assert all(re.fullmatch(r"export \w+=\S+", line) for line in text.splitlines())
    script = f"{text}\naws sqs list-queues --output text && printenv AWS_ENDPOINT_URL NO_PROXY"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, env=with_aws(kunren))
    assert f"http://127.0.0.1:{kunren.port}" in done.stdout
    assert "127.0.0.1" in done.stdout.splitlines()[-1]
    unset = kunren.run("env", "--unset", check=True).stdout
    assert unset.splitlines() == [f"unset {line.split('=')[0].split()[1]}" for line in text.splitlines()]


def with_aws(kunren):
    """The environment with the AWS command line of our own interpreter first."""
    folder = str(Path(sys.executable).parent)
    return {**kunren.environment, "PATH": folder + os.pathsep + kunren.environment["PATH"]}


def test_reset_forgets_resources_and_keeps_the_authority(own_kunren):
    own_kunren.up()
    own_kunren.client("route53").create_hosted_zone(Name="gone.test", CallerReference="1")
    own_kunren.client("sqs").create_queue(QueueName="gone")
    authority = Path(own_kunren.run("ca", check=True).stdout.strip()).read_text()
    own_kunren.run("reset", "--yes", check=True)
    own_kunren.port = own_kunren.status()["ports"]["api"]
    assert own_kunren.client("route53").list_hosted_zones()["HostedZones"] == []
    assert "QueueUrls" not in own_kunren.client("sqs").list_queues()
    assert Path(own_kunren.run("ca", check=True).stdout.strip()).read_text() == authority
