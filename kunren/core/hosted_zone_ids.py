"""The hosted zones of AWS's own names: what an alias record gives as its target's hosted zone id.

From the AWS general reference, "Elastic Load Balancing endpoints and quotas", "Amazon S3 website endpoints" and "Amazon
API Gateway endpoints and quotas". AWS publishes no list for VPC endpoints, whose ids DescribeVpcEndpoints shows in each
region: those here are as the tables of Kubernetes' external-dns have them, which users have read off there.
"""

from __future__ import annotations

import re

ALB = {
    "us-east-1": "Z35SXDOTRQ7X7K",
    "us-east-2": "Z3AADJGX6KTTL2",
    "us-west-1": "Z368ELLRRE2KJ0",
    "us-west-2": "Z1H1FL5HABSF5",
    "ca-central-1": "ZQSVJUPU6J1EY",
    "sa-east-1": "Z2P70J7HTTTPLU",
    "eu-west-1": "Z32O12XQLNTSW2",
    "eu-west-2": "ZHURV8PSTC4K8",
    "eu-west-3": "Z3Q77PNBQS71R4",
    "eu-central-1": "Z215JYRZR1TBD5",
    "eu-north-1": "Z23TAZ6LKFMNIO",
    "eu-south-1": "Z3ULH7SSC9OV64",
    "ap-northeast-1": "Z14GRHDCWA56QT",
    "ap-northeast-2": "ZWKZPGTI48KDX",
    "ap-northeast-3": "Z5LXEXXYW11ES",
    "ap-southeast-1": "Z1LMS91P8CMLE5",
    "ap-southeast-2": "Z1GM3OXH4ZPM65",
    "ap-south-1": "ZP97RAFLXTNZK",
    "ap-east-1": "Z3DQVH9N71FHZ0",
    "af-south-1": "Z268VQBMOI5EKX",
    "me-south-1": "ZS929ML54UICD",
}
NLB = {
    "us-east-1": "Z26RNL4JYFTOTI",
    "us-east-2": "ZLMOA37VPKANP",
    "us-west-1": "Z24FKFUX50B4VW",
    "us-west-2": "Z18D5FSROUN65G",
    "ca-central-1": "Z2EPGBW3API2WT",
    "sa-east-1": "ZTK26PT1VY4CU",
    "eu-west-1": "Z2IFOLAFXWLO4F",
    "eu-west-2": "ZD4D7Y8KGAS4G",
    "eu-west-3": "Z1CMS0P5QUZ6D5",
    "eu-central-1": "Z3F0SRJ5LGBH90",
    "eu-north-1": "Z1UDT6IFJ4EJM",
    "eu-south-1": "Z23146JA1KNAFP",
    "ap-northeast-1": "Z31USIVHYNEOWT",
    "ap-northeast-2": "ZIBE1TIR4HY56",
    "ap-northeast-3": "Z1GWIQ4HH19I5X",
    "ap-southeast-1": "ZKVM4W9LS7TM",
    "ap-southeast-2": "ZCT6FZBF4DROD",
    "ap-south-1": "ZVDDRBQ08TROA",
    "ap-east-1": "Z12Y7K3UBGUAD1",
    "af-south-1": "Z203XCE67M25HM",
    "me-south-1": "Z3QSRYVP46NYYV",
}
S3_WEBSITE = {
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
    "ca-central-1": "Z1QDHH18159H29",
    "sa-east-1": "Z7KQH4QJS55SO",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-west-2": "Z3GKZC51ZF0DB4",
    "eu-west-3": "Z3R1K369G5AVDG",
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-north-1": "Z3BAZG2TWCNX0D",
    "ap-northeast-1": "Z2M4EHUR26P7ZW",
    "ap-northeast-2": "Z3W03O7B5YMIYP",
    "ap-northeast-3": "Z2YQB5RD63NC85",
    "ap-southeast-1": "Z3O0J2DXBE1FTB",
    "ap-southeast-2": "Z1WCIGYICN2BYD",
    "ap-south-1": "Z11RGJOFQNVJUP",
}
VPC_ENDPOINT = {
    "us-east-1": "Z7HUB22UULQXV",
    "us-east-2": "ZC8PG0KIFKBRI",
    "us-west-1": "Z12I86A8N7VCZO",
    "us-west-2": "Z1YSA3EXCYUU9Z",
    "ca-central-1": "ZRCXCF510Y6P9",
    "sa-east-1": "Z2LXUWEVLCVZIB",
    "eu-west-1": "Z38GZ743OKFT7T",
    "eu-west-2": "Z7K1066E3PUKB",
    "eu-west-3": "Z1DWHTMFP0WECP",
    "eu-central-1": "Z273ZU8SZ5RJPC",
    "eu-north-1": "Z3OWWK6JFDEDGC",
    "eu-south-1": "Z2A5FDNRLY7KZG",
    "ap-northeast-1": "Z2E726K9Y6RL4W",
    "ap-northeast-2": "Z27UANNT0PRK1T",
    "ap-northeast-3": "Z376B5OMM2JZL2",
    "ap-southeast-1": "Z18LLCSTV4NVNL",
    "ap-southeast-2": "ZDK2GCRPAFKGO",
    "ap-south-1": "Z2KVTB3ZLFM7JR",
    "ap-east-1": "Z2LIHJ7PKBEMWN",
    "af-south-1": "Z09302161J80N9A7UTP7U",
    "me-south-1": "Z3B95P3VBGEQGY",
}
EXECUTE_API = {
    "us-east-1": "Z1UJRXOUMOOFQ8",
    "us-east-2": "ZOJJZC49E0EPZ",
    "us-west-1": "Z2MUQ32089INYE",
    "us-west-2": "Z2OJLYMUO9EFXC",
    "ca-central-1": "Z19DQILCV0OWEC",
    "sa-east-1": "ZCMLWB8V5SYIT",
    "eu-west-1": "ZLY8HYME6SFDD",
    "eu-west-2": "ZJ5UAJN8Y3Z2Q",
    "eu-west-3": "Z3KY65QIEKYHQQ",
    "eu-central-1": "Z1U9ULNL0V5AJ3",
    "eu-north-1": "Z3UWIKFBOOGXPP",
    "eu-south-1": "Z3BT4WSQ9TDYZV",
    "ap-northeast-1": "Z1YSHQZHG15GKL",
    "ap-northeast-2": "Z20JF4UZKIW1U8",
    "ap-northeast-3": "Z22ILHG95FLSZ2",
    "ap-southeast-1": "ZL327KTPIQFUL",
    "ap-southeast-2": "Z2RPCDW04V8134",
    "ap-south-1": "Z3VO1THU9YC4UR",
    "ap-east-1": "Z3FD1VL90ND7K5",
    "af-south-1": "Z2DHW2332DAMTN",
    "me-south-1": "Z20ZBPC0SS8806",
}
CLOUDFRONT = "Z2FDTNDATAQYW2"
GLOBAL_ACCELERATOR = "Z2BJ6XQ5FK7U4H"


def _patterns() -> dict[str, re.Pattern[str]]:
    found = {
        CLOUDFRONT: r"[^.]+\.cloudfront\.net\.",
        GLOBAL_ACCELERATOR: r"[^.]+\.awsglobalaccelerator\.com\.",
    }
    for region, zone_id in ALB.items():
        found[zone_id] = rf"(?:dualstack\.)?[^.]+\.{region}\.elb\.amazonaws\.com\."
    for region, zone_id in NLB.items():
        found[zone_id] = rf"(?:[^.]+\.)?[^.]+\.elb\.{region}\.amazonaws\.com\."
    for region, zone_id in VPC_ENDPOINT.items():
        found[zone_id] = rf"vpce-[^.]+\.[^.]+\.{region}\.vpce\.amazonaws\.com\."
    for region, zone_id in EXECUTE_API.items():
        found[zone_id] = rf"[^.]+\.execute-api\.{region}\.amazonaws\.com\."
    for region, zone_id in S3_WEBSITE.items():
        found[zone_id] = rf"s3-website[-.]{region}\.amazonaws\.com\."
    return {zone_id: re.compile(pattern) for zone_id, pattern in found.items()}


_NAMES_IN = _patterns()


def is_known(zone_id: str) -> bool:
    """Whether AWS itself has a hosted zone of that id for alias targets."""
    return zone_id in _NAMES_IN


def lies_within(name: str, zone_id: str) -> bool:
    """Whether a name (lower case, with its trailing dot) is one that AWS gives out in that hosted zone of its own."""
    pattern = _NAMES_IN.get(zone_id)
    return pattern is not None and pattern.fullmatch(name) is not None
