"""Strict mode's policies: who signs, but is not allowed it, is refused in each service's words, as on AWS."""

import json

import pytest
from strict_client import ACCOUNT, OTHER, document, refused, statement, trust

pytestmark = pytest.mark.xdist_group("strict")


def test_an_application_with_the_wrong_policy_is_let_in_by_exactly_the_missing_permission(strict, bucket):
    thing = f"arn:aws:s3:::{bucket}/*"
    name, keys = strict.user(statement("s3:PutObject", thing))
    s3 = strict.client("s3", keys)
    s3.put_object(Bucket=bucket, Key="app/one", Body=b"1")
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    wanted = (
        "AccessDenied",
        f'User: {arn} is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::{bucket}/app/one" because no'
        " identity-based policy allows the s3:GetObject action",
        403,
    )
    assert refused(s3.get_object, Bucket=bucket, Key="app/one") == wanted
    strict.allow(name, statement(["s3:PutObject", "s3:GetObject"], f"arn:aws:s3:::{bucket}/app/${{aws:username}}/*"))
    assert refused(s3.get_object, Bucket=bucket, Key="app/one") == wanted
    strict.allow(name, statement(["s3:PutObject", "s3:GetObject"], thing))
    assert s3.get_object(Bucket=bucket, Key="app/one")["Body"].read() == b"1"
    missing = refused(s3.get_object, Bucket=bucket, Key="app/none")
    assert missing[0] == "AccessDenied"
    assert "s3:ListBucket" in missing[1]  # who may not list is not told that it is not there
    s3_root = strict.client("s3")
    deny = {"Sid": "no", **statement("s3:GetObject", thing, "Deny", Principal={"AWS": arn})}
    s3_root.put_bucket_policy(Bucket=bucket, Policy=document(deny))
    assert refused(s3.get_object, Bucket=bucket, Key="app/one")[1].endswith(
        "with an explicit deny in a resource-based policy"
    )
    s3_root.delete_bucket_policy(Bucket=bucket)


def test_s3_asks_for_each_object_and_each_further_thing(strict, bucket):
    s3_root = strict.client("s3")
    for key in ("many/1", "many/2"):
        s3_root.put_object(Bucket=bucket, Key=key, Body=b"x")
    prefix = {"StringLike": {"s3:prefix": "many/*"}}
    _, keys = strict.user(
        statement(["s3:PutObject", "s3:DeleteObject"], f"arn:aws:s3:::{bucket}/many/1"),
        statement("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition=prefix),
    )
    s3 = strict.client("s3", keys)
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "many/1"}, {"Key": "many/2"}]})
    assert [each["Key"] for each in done["Deleted"]] == ["many/1"]
    assert [(each["Key"], each["Code"]) for each in done["Errors"]] == [("many/2", "AccessDenied")]
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="many/")["Contents"]] == ["many/2"]
    assert refused(s3.list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    assert "s3:PutObjectTagging" in refused(s3.put_object, Bucket=bucket, Key="many/1", Body=b"", Tagging="a=b")[1]
    assert "s3:ListAllMyBuckets because no" in refused(s3.list_buckets)[1]
    assert "s3:CreateBucket on resource" in refused(s3.create_bucket, Bucket="strict-more")[1]
    assert refused(s3.copy_object, Bucket=bucket, Key="many/1", CopySource=f"{bucket}/a/key")[0] == "AccessDenied"


def test_another_account_needs_both_sides(strict, bucket):
    name, keys = strict.user(account=OTHER)
    s3, s3_root = strict.client("s3", keys), strict.client("s3")
    arn = f"arn:aws:iam::{OTHER}:user/{name}"
    get = {"Bucket": bucket, "Key": "a/key"}
    assert refused(s3.get_object, **get) == ("AccessDenied", "Access Denied", 403)
    lets = statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal={"AWS": arn})
    s3_root.put_bucket_policy(Bucket=bucket, Policy=document(lets))
    assert refused(s3.get_object, **get)[0] == "AccessDenied"
    strict.allow(name, statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*"), account=OTHER)
    assert s3.get_object(**get)["Body"].read() == b"content"
    s3_root.delete_bucket_policy(Bucket=bucket)
    assert refused(s3.get_object, **get)[0] == "AccessDenied"


def test_groups_managed_policies_and_boundaries_count(strict, bucket):
    iam = strict.client("iam")
    name, keys = strict.user()
    s3 = strict.client("s3", keys)
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    get = {"Bucket": bucket, "Key": "a/key"}
    assert refused(s3.get_object, **get)[0] == "AccessDenied"
    iam.add_user_to_group(GroupName="readers", UserName=name)
    assert s3.get_object(**get)["Body"].read() == b"content"
    within = iam.create_policy(PolicyName="within", PolicyDocument=document(statement("ec2:*")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=within)
    assert iam.get_user(UserName=name)["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == within
    assert "because no permissions boundary allows" in refused(s3.get_object, **get)[1]
    changed = document(statement(["ec2:*", "s3:Get*"]))
    iam.create_policy_version(PolicyArn=within, PolicyDocument=changed, SetAsDefault=True)
    assert s3.get_object(**get)["Body"].read() == b"content"
    iam.remove_user_from_group(GroupName="readers", UserName=name)
    assert refused(s3.get_object, **get)[0] == "AccessDenied"


def test_what_is_named_by_less_than_an_arn_is_found_out(strict):
    secrets, kms, kinesis = (strict.client(each) for each in ("secretsmanager", "kms", "kinesis"))
    for each in ("own", "others"):
        secrets.create_secret(Name=f"named-{each}", SecretString=each)
    key, other = (kms.create_key()["KeyMetadata"] for _ in range(2))
    kms.create_alias(AliasName="alias/named-own", TargetKeyId=key["KeyId"])
    sealed = {
        each["KeyId"]: kms.encrypt(KeyId=each["KeyId"], Plaintext=b"1")["CiphertextBlob"] for each in (key, other)
    }
    kinesis.create_stream(StreamName="named-others", ShardCount=1)
    arn = f"arn:aws:{{}}:us-east-1:{ACCOUNT}:{{}}".format
    _, keys = strict.user(
        statement("secretsmanager:*", secrets.describe_secret(SecretId="named-own")["ARN"]), statement("kms:*", key["Arn"]),
        statement("kinesis:*", arn("kinesis", "stream/named-own")),
    )  # fmt: skip
    secrets, kms, kinesis = (strict.client(each, keys) for each in ("secretsmanager", "kms", "kinesis"))
    assert secrets.get_secret_value(SecretId="named-own")["SecretString"] == "own"
    assert kms.encrypt(KeyId="alias/named-own", Plaintext=b"1")["KeyId"] == key["Arn"]
    assert kms.decrypt(CiphertextBlob=sealed[key["KeyId"]])["Plaintext"] == b"1"
    for call, given in (
        (secrets.get_secret_value, {"SecretId": "named-others"}), (secrets.create_secret, {"Name": "new"}),
        (secrets.batch_get_secret_value, {"SecretIdList": ["named-others"]}),
        (kms.decrypt, {"CiphertextBlob": sealed[other["KeyId"]]}),
        (kinesis.put_record, {"StreamName": "named-others", "Data": b"1", "PartitionKey": "1"}),
    ):  # fmt: skip
        assert refused(call, **given)[0] == "AccessDeniedException"


def test_each_service_denies_in_its_own_words(strict):
    name, keys = strict.user(statement("ec2:DescribeVpcs"))
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    ec2 = strict.client("ec2", keys)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]

    def text(action, resource=""):
        on = f" on resource: {resource}" if resource else ""
        why = f"because no identity-based policy allows the {action} action"
        return f"User: {arn} is not authorized to perform: {action}{on} {why}"

    code, told, status = refused(ec2.delete_vpc, VpcId=vpc, DryRun=True)
    wanted = text("ec2:DeleteVpc", f"arn:aws:ec2:us-east-1:{ACCOUNT}:vpc/{vpc}")
    assert (code, status) == ("UnauthorizedOperation", 403)
    assert told.startswith(f"You are not authorized to perform this operation. {wanted}")
    assert refused(ec2.describe_subnets)[1].startswith(
        f"You are not authorized to perform this operation. {text('ec2:DescribeSubnets')}"
    )
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
    queue = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/q"
    for service, call, given, wanted in (
        ("lambda", "get_function", {"FunctionName": "f"},
         ("AccessDeniedException", text("lambda:GetFunction", function), 403)),
        ("lambda", "list_functions", {}, ("AccessDeniedException", text("lambda:ListFunctions", "*"), 403)),
        ("elbv2", "describe_load_balancers", {},
         ("AccessDenied", text("elasticloadbalancing:DescribeLoadBalancers"), 403)),
        ("route53", "get_hosted_zone", {"Id": "Z1"},
         ("AccessDenied", text("route53:GetHostedZone", "arn:aws:route53:::hostedzone/Z1"), 403)),
        ("acm", "list_certificates", {}, ("AccessDeniedException", text("acm:ListCertificates", "*"), 400)),
        ("apigateway", "get_rest_apis", {},
         ("AccessDeniedException", text("apigateway:GET", "arn:aws:apigateway:us-east-1::/restapis"), 403)),
        ("iam", "delete_user", {"UserName": "x"},
         ("AccessDenied", text("iam:DeleteUser", f"arn:aws:iam::{ACCOUNT}:user/x"), 403)),
        ("sqs", "send_message", {"QueueUrl": queue, "MessageBody": "x"},
         ("AccessDeniedException", text("sqs:SendMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"), 400)),
    ):  # fmt: skip
        found = refused(getattr(strict.client(service, keys), call), **given)
        assert found[0] in (wanted[0], wanted[0].removesuffix("Exception")), (service, found)
        assert found[1:] == wanted[1:], service
    strict.allow(name, statement("ec2:Delete*", f"arn:aws:ec2:*:{ACCOUNT}:vpc/*"))
    assert refused(ec2.delete_vpc, VpcId=vpc, DryRun=True)[0] in ("DryRunOperation", "DependencyViolation")


def test_documents_that_aws_refuses_are_refused(strict, bucket):
    iam, s3 = strict.client("iam"), strict.client("s3")
    name, keys = strict.user()
    for text in ("{", json.dumps({"Version": "2012-10-17"}), document({"Effect": "Maybe", "Action": "*", "Resource": "*"}),
                 document(statement("no-colon"))):  # fmt: skip
        assert refused(iam.put_user_policy, UserName=name, PolicyName="p", PolicyDocument=text)[0] == (
            "MalformedPolicyDocument"
        )
    reader = iam.create_role(RoleName="narrow", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))["Role"]["Arn"]
    strict.allow(name, statement("sts:AssumeRole"))
    assume = {"RoleArn": reader, "RoleSessionName": "one", "Policy": "{"}
    assert refused(strict.client("sts", keys).assume_role, **assume)[0] == "MalformedPolicyDocument"
    for one in (
        statement("s3:GetObject", "arn:aws:s3:::other/*", Principal="*"), statement("s3:GetObject", "*"),
        statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*", Condition={"StringIs": {"a": "b"}}),
        statement("s3:GetObject", f"arn:aws:s3:::{bucket}/*", Principal="*", Condition={"StringEquals": ["a"]}),
    ):  # fmt: skip
        assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=document(one))[0] == "MalformedPolicy"
