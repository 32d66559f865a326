"""`kunren exec --subnet`: programs with an interface of their own on a subnet, for a user without privileges."""

from pathlib import Path


def open_group(ec2, vpc):
    group = ec2.create_security_group(GroupName="open", Description="open", VpcId=vpc)["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    return group


def test_two_programs_listen_on_port_80_in_one_subnet_as_an_unprivileged_user(users_kunren, running):
    daemon = users_kunren
    assert Path(f"/proc/{daemon.pid}").stat().st_uid != 0
    ec2 = daemon.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = open_group(ec2, subnet["VpcId"])
    one, two = (running.target(daemon, name, (80,), subnet["SubnetId"], group) for name in ("one", "two"))
    assert one.address != two.address
    assert one.public_address != two.public_address
    client = running.client(daemon, "tokyo")
    assert client.names(f"http://{one.public_address}/", 1) == ["one"]
    assert client.names(f"http://{two.public_address}/", 1) == ["two"]
    assert daemon.exec("curl", "-sS", f"http://{two.public_address}/", place="london").stdout.startswith(
        '{"name": "two"'
    )
    # the private addresses are no client's
    assert "error" in client.get(f"http://{one.address}/", timeout=1)
    shown = ec2.describe_network_interfaces(NetworkInterfaceIds=[one.interface])["NetworkInterfaces"][0]
    assert shown["PrivateIpAddress"] == one.address
    assert shown["Association"]["PublicIp"] == one.public_address
    assert shown["Status"] == "in-use"


def test_a_program_has_the_address_it_asked_for_and_its_interface_ends_with_it(kunren, account, running, until):
    ec2 = kunren.client("ec2", account)
    subnet = ec2.describe_subnets()["Subnets"][0]
    address = subnet["CidrBlock"].rsplit(".", 1)[0] + ".77"
    shown = kunren.run("exec", "--subnet", subnet["SubnetId"], "--address", address, "--", "hostname", "-I", check=True)
    assert shown.stdout.split() == [address]
    assert shown.stderr.startswith("eni-")
    until(lambda: not interfaces(ec2), "the interface gone")
    program = kunren.popen("--subnet", subnet["SubnetId"], "--address", address, "--", "sleep", "100", stderr=-1)
    program.stderr.readline()
    taken = kunren.run("exec", "--subnet", subnet["SubnetId"], "--address", address, "--", "true")
    assert taken.returncode == 1
    assert "in use" in taken.stderr
    program.kill()
    program.wait(5)
    program.stderr.close()
    until(lambda: not interfaces(ec2), "the interface gone after a kill -9")


def interfaces(ec2):
    return ec2.describe_network_interfaces()["NetworkInterfaces"]


def test_programs_of_one_subnet_reach_each_other_as_their_groups_say(kunren, account, running, until):
    ec2 = kunren.client("ec2", account)
    subnet = ec2.describe_subnets()["Subnets"][0]
    default = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    shut = ec2.create_security_group(GroupName="shut", Description="shut", VpcId=subnet["VpcId"])["GroupId"]
    target = running.target(kunren, "inner", (80,), subnet["SubnetId"], default)

    def code(group):
        where = ("--subnet", subnet["SubnetId"], "--security-group", group)
        command = ("curl", "-sS", "--max-time", "1", "-o", "/dev/null", f"http://{target.address}/")
        return kunren.run("exec", *where, "--", *command).returncode

    assert code(default) == 0  # the default group lets its own members in
    assert code(shut) == 28  # silence
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": shut}]}
    ec2.authorize_security_group_ingress(GroupId=default, IpPermissions=[rule])
    until(lambda: code(shut) == 0, "the opened port")
