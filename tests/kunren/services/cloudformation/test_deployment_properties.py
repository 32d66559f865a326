"""CodeDeploy's properties in templates, as its API has them."""

from kunren.services.cloudformation.resources.codedeploy import wire


def test_names_begin_small_but_those_of_tag_filters():
    stated = {
        "Ec2TagSet": {"Ec2TagSetList": [{"Ec2TagGroup": [{"Key": "Name", "Value": "web", "Type": "KEY_AND_VALUE"}]}]},
        "ECSServices": [{"ClusterName": "c", "ServiceName": "s"}],
        "LoadBalancerInfo": {"TargetGroupInfoList": [{"Name": "web"}]},
        "Ec2TagFilters": [{"Key": "a", "Type": "KEY_ONLY"}],
        "Revision": {"RevisionType": "S3", "S3Location": {"Bucket": "b", "Key": "k", "BundleType": "zip", "ETag": "e"}},
    }
    assert wire(stated) == {
        "ec2TagSet": {"ec2TagSetList": [[{"Key": "Name", "Value": "web", "Type": "KEY_AND_VALUE"}]]},
        "ecsServices": [{"clusterName": "c", "serviceName": "s"}],
        "loadBalancerInfo": {"targetGroupInfoList": [{"name": "web"}]},
        "ec2TagFilters": [{"Key": "a", "Type": "KEY_ONLY"}],
        "revision": {"revisionType": "S3", "s3Location": {"bucket": "b", "key": "k", "bundleType": "zip", "eTag": "e"}},
    }
