"""Multipart uploads through boto3."""

import hashlib
import os

import pytest

MB = 1024 * 1024
BODY = os.urandom(11 * MB)


def begin(s3, bucket, key="m", **given):
    return s3.create_multipart_upload(Bucket=bucket, Key=key, **given)["UploadId"]


def upload(s3, bucket, upload_id, pieces, key="m", **given):
    parts = []
    for number, piece in enumerate(pieces, 1):
        told = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=piece, **given)
        sums = {name: value for name, value in told.items() if name.startswith("Checksum") and name != "ChecksumType"}
        parts.append({"PartNumber": number, "ETag": told["ETag"], **sums})
    return parts


def complete(s3, bucket, upload_id, parts, key="m", **given):
    return s3.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **given
    )


@pytest.fixture
def pieces():
    return [BODY[: 5 * MB], BODY[5 * MB : 10 * MB], BODY[10 * MB :]]


def test_parts_become_one_object(front, s3, bucket, pieces):
    upload_id = begin(s3, bucket, ContentType="text/plain", Metadata={"a": "b"})
    parts = upload(s3, bucket, upload_id, pieces)
    (shown,) = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert (shown["Key"], shown["UploadId"]) == ("m", upload_id)
    listed = s3.list_parts(Bucket=bucket, Key="m", UploadId=upload_id, MaxParts=2)
    assert [(each["PartNumber"], each["Size"]) for each in listed["Parts"]] == [(1, 5 * MB), (2, 5 * MB)]
    assert (listed["IsTruncated"], listed["NextPartNumberMarker"]) == (True, 2)
    files = front.files()
    done = complete(s3, bucket, upload_id, parts)
    md5 = hashlib.md5(b"".join(hashlib.md5(each).digest() for each in pieces)).hexdigest()
    assert done["ETag"] == f'"{md5}-3"'
    assert front.files() == files  # no byte was moved
    got = s3.get_object(Bucket=bucket, Key="m")
    assert (got["ContentType"], got["Metadata"]) == ("text/plain", {"a": "b"})
    assert got["Body"].read() == BODY
    part = s3.get_object(Bucket=bucket, Key="m", PartNumber=2)
    assert (part["PartsCount"], part["Body"].read() == pieces[1]) == (3, True)
    across = s3.get_object(Bucket=bucket, Key="m", Range=f"bytes={5 * MB - 2}-{5 * MB + 1}")["Body"].read()
    assert across == BODY[5 * MB - 2 : 5 * MB + 2]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="m")
    assert front.files() == files - 3


@pytest.mark.parametrize(
    ("algorithm", "kind", "ending"), [("CRC32", None, "-3"), ("SHA256", None, "-3"), ("CRC64NVME", "FULL_OBJECT", "")]
)
def test_checksums_of_parts_and_whole(s3, bucket, pieces, algorithm, kind, ending):
    given = {"ChecksumType": kind} if kind else {}
    upload_id = begin(s3, bucket, ChecksumAlgorithm=algorithm, **given)
    parts = upload(s3, bucket, upload_id, pieces, ChecksumAlgorithm=algorithm)
    done = complete(s3, bucket, upload_id, parts)
    told = done[f"Checksum{algorithm}"]
    assert told.endswith(ending)
    head = s3.head_object(Bucket=bucket, Key="m", ChecksumMode="ENABLED")
    assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (told, kind or "COMPOSITE")
    if kind == "FULL_OBJECT":
        whole = s3.put_object(Bucket=bucket, Key="whole", Body=BODY, ChecksumAlgorithm=algorithm)
        assert whole[f"Checksum{algorithm}"] == told


def test_what_cannot_be_completed(s3, bucket, refused, pieces):
    upload_id = begin(s3, bucket)
    one, two = upload(s3, bucket, upload_id, [b"small", b"last"])
    given = {"Bucket": bucket, "Key": "m", "UploadId": upload_id}
    finish = s3.complete_multipart_upload
    assert refused(finish, **given, MultipartUpload={"Parts": [two, one]}) == (400, "InvalidPartOrder")
    assert refused(finish, **given, MultipartUpload={"Parts": [one, two]}) == (400, "EntityTooSmall")
    wrong = {"PartNumber": 1, "ETag": '"0123"'}
    assert refused(finish, **given, MultipartUpload={"Parts": [wrong]}) == (400, "InvalidPart")
    assert refused(finish, **given) == (400, "MalformedXML")
    assert refused(s3.upload_part, **given, PartNumber=10_001, Body=b"") == (400, "InvalidArgument")
    s3.abort_multipart_upload(**given)
    assert refused(finish, **given, MultipartUpload={"Parts": [two]}) == (404, "NoSuchUpload")
    assert refused(s3.upload_part, **given, PartNumber=1, Body=b"x") == (404, "NoSuchUpload")


def test_an_aborted_upload_leaves_no_files(front, s3, bucket, pieces):
    files = front.files()
    upload_id = begin(s3, bucket)
    upload(s3, bucket, upload_id, pieces[:2])
    upload(s3, bucket, upload_id, pieces[:1])  # part 1 once more, in place of the first
    assert front.files() == files + 2
    s3.abort_multipart_upload(Bucket=bucket, Key="m", UploadId=upload_id)
    assert front.files() == files


def test_parts_copied_from_objects(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=BODY)
    upload_id = begin(s3, bucket)
    parts = []
    for number, (first, last) in enumerate([(0, 5 * MB - 1), (5 * MB, len(BODY) - 1)], 1):
        told = s3.upload_part_copy(
            Bucket=bucket, Key="m", UploadId=upload_id, PartNumber=number, CopySource=f"{bucket}/source",
            CopySourceRange=f"bytes={first}-{last}",
        )  # fmt: skip
        parts.append({"PartNumber": number, "ETag": told["CopyPartResult"]["ETag"]})
    complete(s3, bucket, upload_id, parts)
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == BODY
