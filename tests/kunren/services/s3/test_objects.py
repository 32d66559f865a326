"""Objects through boto3: content, headers, ranges, conditions, checksums, copies, forms, listings."""

import base64
import hashlib
import io
import json
import os
import threading
import urllib.parse
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

BIG = os.urandom(3_000_000)
ODD = [
    "a b",
    "ä/ö",
    "100%",
    "a+b",
    "//",
    "..",
    "../../etc/passwd",
    "q?x=1&y",
    "back\\slash",
    "tab\there",
    "'\"<>&",
    "日本",
]


def test_what_was_put_is_got_with_its_headers(s3, bucket):
    put = s3.put_object(
        Bucket=bucket, Key="page", Body=b"hello", ContentType="text/html", CacheControl="max-age=5",
        Metadata={"author": "me"}, Tagging="a=1&b=2", ContentEncoding="gzip",
    )  # fmt: skip
    assert put["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    assert put["ServerSideEncryption"] == "AES256"
    got = s3.get_object(Bucket=bucket, Key="page")
    assert got["Body"].read() == b"hello"
    assert (got["ContentType"], got["CacheControl"], got["ContentEncoding"]) == ("text/html", "max-age=5", "gzip")
    assert (got["Metadata"], got["TagCount"], got["ContentLength"]) == ({"author": "me"}, 2, 5)
    assert s3.get_object(Bucket=bucket, Key="page", ResponseContentType="text/plain")["ContentType"] == "text/plain"
    plain = s3.put_object(Bucket=bucket, Key="plain", Body=b"")
    assert plain["ETag"] == '"d41d8cd98f00b204e9800998ecf8427e"'
    assert s3.head_object(Bucket=bucket, Key="plain")["ContentType"] == "binary/octet-stream"


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 32 * 1024 + 1, len(BIG)])
def test_every_size_comes_back_whole_and_in_ranges(s3, bucket, size):
    body = BIG[:size]
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
    if size:
        part = s3.get_object(Bucket=bucket, Key="k", Range="bytes=-1")
        assert (part["Body"].read(), part["ContentRange"]) == (body[-1:], f"bytes {size - 1}-{size - 1}/{size}")
        assert part["ResponseMetadata"]["HTTPStatusCode"] == 206


@pytest.mark.parametrize("key", ODD)
def test_keys_with_every_odd_character(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]})["Deleted"]
    assert deleted == [{"Key": key}]
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()


def test_refusals_in_the_words_of_s3(s3, bucket, refused):
    assert refused(s3.get_object, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    assert refused(s3.head_object, Bucket=bucket, Key="none") == (404, "404")
    assert refused(s3.get_object, Bucket="no-such-bucket-here", Key="k") == (404, "NoSuchBucket")
    assert refused(s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"") == (400, "KeyTooLongError")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Metadata={"m": "v" * 2048}) == (400, "MetadataTooLarge")
    assert refused(s3.put_object, Bucket=bucket, Key="k", StorageClass="ICE") == (400, "InvalidStorageClass")
    assert refused(s3.put_object, Bucket=bucket, Key="k", ACL="public-read") == (400, "AccessControlListNotSupported")
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert refused(s3.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == (416, "InvalidRange")
    assert refused(s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/k") == (400, "InvalidRequest")
    assert refused(s3.get_object, Bucket=bucket, Key="k", ExpectedBucketOwner="999999999999") == (403, "AccessDenied")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"0123456789"


def test_conditions(s3, bucket, refused):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"x"') == (412, "PreconditionFailed")
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == (304, "304")
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch='"x"') == (412, "PreconditionFailed")
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert refused(s3.put_object, Bucket=bucket, Key="new", Body=b"2", IfMatch=etag) == (404, "NoSuchKey")


def test_of_many_writers_who_want_to_be_first_one_is(front, bucket):
    clients = [front.client() for _ in range(8)]

    def put(client):
        try:
            client.put_object(Bucket=bucket, Key="lock", Body=b"mine", IfNoneMatch="*")
        except client.exceptions.ClientError as error:
            return error.response["Error"]["Code"]
        return "mine"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(put, clients))
    assert sorted(outcomes) == ["PreconditionFailed"] * 7 + ["mine"]


ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("size", [10, 100_000])
def test_checksums_are_verified_kept_and_told(s3, bucket, refused, algorithm, size):
    put = s3.put_object(Bucket=bucket, Key="k", Body=BIG[:size], ChecksumAlgorithm=algorithm)
    told = put[f"Checksum{algorithm}"]
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (told, "FULL_OBJECT")
    wrong = {f"Checksum{algorithm}": told}
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=BIG[1 : size + 1], **wrong) == (400, "BadDigest")
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectSize"])
    assert attributes["Checksum"][f"Checksum{algorithm}"] == told
    assert attributes["ObjectSize"] == size


def test_a_wrong_md5_is_refused_and_leaves_nothing(front, s3, bucket, refused):
    before = front.files()
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    for body in (b"small", BIG):
        assert refused(s3.put_object, Bucket=bucket, Key="k", Body=body, ContentMD5=wrong) == (400, "BadDigest")
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=b"s", ContentMD5="no") == (400, "InvalidDigest")
    assert refused(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    assert front.files() == before


def test_a_large_body_that_is_refused_before_its_operation_leaves_nothing(front, s3, bucket, refused):
    before = front.files()
    assert refused(s3.put_object, Bucket=bucket, Key="k", Body=BIG, StorageClass="ICE") == (400, "InvalidStorageClass")
    assert refused(s3.put_object, Bucket="no-such-bucket-here", Key="k", Body=BIG) == (404, "NoSuchBucket")
    gone = {"Bucket": bucket, "Key": "k", "UploadId": "none", "PartNumber": 1}
    assert refused(s3.upload_part, **gone, Body=BIG) == (404, "NoSuchUpload")
    assert front.files() == before


def request(front, method, path, body=b"", **headers):
    connection = HTTPConnection("127.0.0.1", front.port, timeout=30)
    scope = "Credential=111122223333/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    connection.request(method, path, body, {"Authorization": f"AWS4-HMAC-SHA256 {scope}", **headers})
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), read


@pytest.mark.parametrize("size", [5, 2_000_000])
def test_bodies_in_aws_chunks_with_a_trailer_are_stored_plain(front, s3, bucket, size):
    body = BIG[:size]
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()

    def send(trailer):
        framed = b"".join(
            b"%x;chunk-signature=0\r\n%b\r\n" % (len(piece), piece)
            for piece in (body[at : at + 70_000] for at in range(0, size, 70_000))
        )
        framed += b"0;chunk-signature=0\r\nx-amz-checksum-crc32:" + trailer.encode() + b"\r\n\r\n"
        return request(
            front, "PUT", f"/{bucket}/chunked", framed,
            **{"Content-Encoding": "aws-chunked,gzip", "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
               "X-Amz-Trailer": "x-amz-checksum-crc32", "X-Amz-Decoded-Content-Length": str(size)},
        )  # fmt: skip

    status, _, text = send("AAAAAA==")
    assert (status, b"<Code>BadDigest</Code>" in text) == (400, True)
    assert send(crc)[0] == 200
    got = s3.get_object(Bucket=bucket, Key="chunked")
    assert got["ContentEncoding"] == "gzip"
    assert got["Body"].read() == body


def test_a_body_that_lies_about_its_hash_or_length(front, s3, bucket, refused):
    status, _, text = request(front, "PUT", f"/{bucket}/k", BIG, **{"X-Amz-Content-Sha256": "0" * 64})
    assert (status, b"XAmzContentSHA256Mismatch" in text) == (400, True)
    connection = HTTPConnection("127.0.0.1", front.port)
    before = front.files()
    connection.putrequest("PUT", f"/{bucket}/k")
    connection.putheader("Authorization", "AWS4-HMAC-SHA256 Credential=1/20260101/us-east-1/s3/aws4_request,"
                         " SignedHeaders=host, Signature=0")  # fmt: skip
    connection.putheader("Content-Length", str(len(BIG)))
    connection.endheaders(BIG[:2_000_000])
    connection.close()  # half of it came
    assert refused(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    s3.put_object(Bucket=bucket, Key="other", Body=b"1")
    front.settles_at(before)  # the half goes once the server has seen the connection's end


def test_a_copy_shares_the_content_and_outlives_its_source(front, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=BIG, Metadata={"m": "1"}, ContentType="text/plain", Tagging="t=1")
    files = front.files()
    copied = s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"})
    assert copied["CopyObjectResult"]["ETag"] == s3.head_object(Bucket=bucket, Key="a")["ETag"]
    assert front.files() == files
    s3.delete_object(Bucket=bucket, Key="a")
    got = s3.get_object(Bucket=bucket, Key="b")
    assert (got["Body"].read() == BIG, got["Metadata"], got["ContentType"]) == (True, {"m": "1"}, "text/plain")
    s3.copy_object(
        Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "b"}, MetadataDirective="REPLACE",
        Metadata={"m": "2"}, StorageClass="STANDARD_IA",
    )  # fmt: skip
    got = s3.get_object(Bucket=bucket, Key="b")
    assert (got["Metadata"], got["StorageClass"], got["Body"].read() == BIG) == ({"m": "2"}, "STANDARD_IA", True)
    s3.delete_object(Bucket=bucket, Key="b")
    assert front.files() == files - 1


def test_reading_goes_on_while_the_object_is_replaced(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BIG)
    body = s3.get_object(Bucket=bucket, Key="k")["Body"]
    first = body.read(1000)
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    assert first + body.read() == BIG


def test_listing_by_pages_with_prefix_and_delimiter(s3, bucket):
    keys = [f"{folder}/{n}" for folder in ("x", "y z") for n in range(5)] + ["root"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b""), keys))
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}))
    assert [each["Key"] for page in pages for each in page["Contents"]] == sorted(keys)
    assert [page["KeyCount"] for page in pages] == [2, 2, 2, 2, 2, 1]
    top = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [each["Prefix"] for each in top["CommonPrefixes"]] == ["x/", "y z/"]
    assert ([each["Key"] for each in top["Contents"]], top["KeyCount"]) == (["root"], 3)
    old = s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2)
    assert (old["NextMarker"], old["IsTruncated"]) == ("x/", True)
    rest = s3.list_objects(Bucket=bucket, Delimiter="/", Marker="x/")
    assert [each["Prefix"] for each in rest["CommonPrefixes"]] == ["y z/"]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="x/3", Prefix="x/")
    assert [each["Key"] for each in after["Contents"]] == ["x/4"]


def test_a_presigned_upload_and_a_form(front, s3, bucket):
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "up"})
    urllib.request.urlopen(urllib.request.Request(url, BIG, method="PUT"), timeout=30)
    assert s3.get_object(Bucket=bucket, Key="up")["Body"].read() == BIG
    given = s3.generate_presigned_post(
        bucket, "in/${filename}", {"x-amz-meta-a": "b", "success_action_status": "201"},
        [{"x-amz-meta-a": "b"}, {"success_action_status": "201"}, ["content-length-range", 1, 10]],
    )  # fmt: skip

    def post(content):
        fields = [*given["fields"].items()]
        parts = [f'--X\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields]
        file = (
            b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + content + b"\r\n--X--\r\n"
        )
        connection = HTTPConnection("127.0.0.1", front.port)
        path = urllib.parse.urlparse(given["url"])
        connection.request(
            "POST", path.path, b"".join(parts) + file,
            {"Content-Type": "multipart/form-data; boundary=X", "Host": f"{bucket}.s3.amazonaws.com"}
            if path.path in ("", "/") else
            {"Content-Type": "multipart/form-data; boundary=X", "Host": "s3.us-east-1.amazonaws.com"},
        )  # fmt: skip
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    status, text = post(b"content")
    assert (status, "<Key>in/a.txt</Key>" in text) == (201, True)
    got = s3.get_object(Bucket=bucket, Key="in/a.txt")
    assert (got["Body"].read(), got["Metadata"]) == (b"content", {"a": "b"})
    status, text = post(b"longer than ten")
    assert (status, "EntityTooLarge" in text) == (400, True)


def test_everything_is_there_after_a_restart(front, s3, bucket):
    s3.put_object(Bucket=bucket, Key="small", Body=b"1", Tagging="a=b")
    s3.put_object(Bucket=bucket, Key="large", Body=BIG)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="small", Body=b"2")["VersionId"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=BIG)["ETag"]
    front.restart()
    s3 = front.client()
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == BIG
    assert s3.get_object(Bucket=bucket, Key="small")["VersionId"] == version
    assert s3.get_object_tagging(Bucket=bucket, Key="small", VersionId="null")["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="m", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]}
    )
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == BIG


def test_sixteen_uploads_at_once(front, bucket):
    def both(number):
        client, body = front.client(), BIG[: 200_000 + number]
        client.upload_fileobj(io.BytesIO(body), bucket, f"k{number}")
        return client.get_object(Bucket=bucket, Key=f"k{number}")["Body"].read() == body

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(both, range(16)))


def test_cross_origin_requests(front, s3, bucket):
    rule = {"AllowedOrigins": ["https://app.example"], "AllowedMethods": ["PUT", "GET"], "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 300}  # fmt: skip
    asking = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT",
              "Access-Control-Request-Headers": "content-type"}  # fmt: skip
    status, _, text = request(front, "OPTIONS", f"/{bucket}/k", **asking)
    assert (status, b"CORS is not enabled for this bucket" in text) == (403, True)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    status, headers, _ = request(front, "OPTIONS", f"/{bucket}/k", **asking)
    assert (status, headers["Access-Control-Allow-Origin"], headers["Access-Control-Max-Age"]) == (
        200, "https://app.example", "300",
    )  # fmt: skip
    assert headers["Access-Control-Allow-Headers"] == "content-type"
    status, headers, _ = request(front, "GET", f"/{bucket}/none", Origin="https://app.example")
    assert (status, headers["Access-Control-Expose-Headers"]) == (404, "ETag")
    assert "Access-Control-Allow-Origin" not in request(front, "GET", f"/{bucket}/none", Origin="https://x.example")[1]


def test_strangers_read_what_the_policy_lets_them_read(front, s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="open/a", Body=b"welcome")
    s3.put_object(Bucket=bucket, Key="shut/a", Body=b"secret")

    def ask(path, method="GET"):
        connection = HTTPConnection("127.0.0.1", front.port)
        connection.request(method, path, b"x" if method == "PUT" else None, {"Host": f"{bucket}.s3.amazonaws.com"})
        answer = connection.getresponse()
        return answer.status, answer.read()

    assert ask("/open/a")[0] == 403
    text = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
                       "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/open/*"}]})  # fmt: skip
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=text) == (403, "AccessDenied")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    assert ask("/open/a") == (200, b"welcome")
    assert (ask("/shut/a")[0], ask("/open/a", "PUT")[0], ask("/")[0]) == (403, 403, 403)
    assert ask("/open/none")[0] == 403  # who may not list is not told what there is


def test_two_threads_that_write_one_key_leave_one_whole_object(front, bucket):
    bodies = [bytes([n]) * 500_000 for n in range(4)]
    threads = [
        threading.Thread(target=lambda body=body: front.client().put_object(Bucket=bucket, Key="k", Body=body))
        for body in bodies
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert front.client().get_object(Bucket=bucket, Key="k")["Body"].read() in bodies
