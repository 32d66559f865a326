"""Flow logs from end to end: requests to a load balancer are in CloudWatch Logs a minute later, and in S3 after five."""

import gzip
import re

FORMAT = "${interface-id} ${vpc-id} ${az-id} ${flow-direction} ${dstaddr} ${dstport} ${action} ${log-status}"
ROLE = "arn:aws:iam::123456789012:role/flow-logs"


def test_flows_through_a_load_balancer_are_in_cloudwatch_logs_and_s3(own_kunren, account, until):
    own_kunren.up("--speed", "100")  # a minute takes 0.6 seconds
    ec2, elb, logs, s3 = (own_kunren.client(each, account) for each in ("ec2", "elbv2", "logs", "s3"))
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"][:2]]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    balancer = elb.create_load_balancer(Name="web", Subnets=subnets)["LoadBalancers"][0]
    action = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200", "MessageBody": "hello"}}
    elb.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Port=80, Protocol="HTTP", DefaultActions=[action])
    elb.get_waiter("load_balancer_available").wait(
        LoadBalancerArns=[balancer["LoadBalancerArn"]], WaiterConfig={"Delay": 1}
    )
    watched = {"ResourceType": "VPC", "ResourceIds": [vpc], "MaxAggregationInterval": 60, "LogFormat": FORMAT}
    (to_logs,) = ec2.create_flow_logs(
        **watched, TrafficType="ALL", LogGroupName="flows", DeliverLogsPermissionArn=ROLE
    )["FlowLogIds"]
    (to_s3,) = ec2.create_flow_logs(
        **watched, TrafficType="REJECT", LogDestinationType="s3", LogDestination="arn:aws:s3:::flows/net/"
    )["FlowLogIds"]

    def delivered(id):
        shown = ec2.describe_flow_logs(FlowLogIds=[id])["FlowLogs"][0]
        return shown.get("DeliverLogsStatus"), shown.get("DeliverLogsErrorMessage")

    until(lambda: delivered(to_s3) == ("FAILED", "Access error"), "a refusal: there is no such bucket")
    s3.create_bucket(Bucket="flows")

    def ask(port):
        done = own_kunren.exec("curl", "-s", "-m", "1", f"http://{balancer['DNSName']}:{port}/", check=False)
        return done.stdout

    until(lambda: ask(80) == "hello", "an answer")
    assert ask(81) == ""  # no rule lets it in
    interfaces = {each["NetworkInterfaceId"]: each for each in ec2.describe_network_interfaces()["NetworkInterfaces"]}

    def messages():
        found = logs.filter_log_events(logGroupName="flows")["events"]
        return {each["message"] for each in found}

    def told(port, action):
        zones = {each["ZoneName"]: each["ZoneId"] for each in ec2.describe_availability_zones()["AvailabilityZones"]}
        lines = {
            f"{id} {vpc} {zones[each['AvailabilityZone']]} ingress {each['PrivateIpAddress']} {port} {action} OK"
            for id, each in interfaces.items()
        }
        return lines & messages()

    until(lambda: told(80, "ACCEPT") and told(81, "REJECT"), "records of both")
    streams = logs.describe_log_streams(logGroupName="flows")["logStreams"]
    assert {each["logStreamName"] for each in streams} == {f"{each}-all" for each in interfaces}
    assert delivered(to_logs) == ("SUCCESS", None)

    def files():
        return [each["Key"] for each in s3.list_objects_v2(Bucket="flows").get("Contents", [])]

    def lines():
        bodies = [s3.get_object(Bucket="flows", Key=each)["Body"].read() for each in files()]
        return [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]

    until(lambda: any(" 81 REJECT OK" in each for each in lines()), "a file with the refused packets")
    assert not [each for each in lines() if "ACCEPT" in each]
    assert lines()[0] == "interface-id vpc-id az-id flow-direction dstaddr dstport action log-status"
    name = rf"net/AWSLogs/{account}/vpcflowlogs/us-east-1/\d{{4}}/\d\d/\d\d/{account}_vpcflowlogs_us-east-1_{to_s3}"
    assert re.fullmatch(rf"{name}_\d{{8}}T\d\d[0-5][05]Z_[0-9a-f]{{8}}\.log\.gz", files()[0])
    assert delivered(to_s3) == ("SUCCESS", None)
