import pytest

from kunren.core.errors import AwsError
from kunren.services.lambda_.checks import check_configuration, check_package_members, check_tags


def refused(params):
    with pytest.raises(AwsError) as caught:
        check_configuration(params)
    return caught.value


def test_reserved_variables_are_refused_by_name():
    error = refused({"Environment": {"Variables": {"AWS_REGION": "x", "FINE": "y", "_HANDLER": "z"}}})
    assert error.code == "InvalidParameterValueException"
    assert error.message == (
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
        "AWS_REGION, _HANDLER"
    )


def test_four_kilobytes_of_variables_pass_and_more_do_not():
    check_configuration({"Environment": {"Variables": {"AB": "x" * (4096 - len('{"AB":""}'))}}})
    error = refused({"Environment": {"Variables": {"AB": "x" * 4096}}})
    assert "exceeded the 4KB limit. String measured: {" in error.message


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Timeout": 901}, "Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than"),
        ({"MemorySize": 10241}, "Value '10241' at 'memorySize' failed to satisfy constraint"),
        ({"Role": "nonsense"}, "Value 'nonsense' at 'role' failed to satisfy constraint"),
        ({"Environment": {"Variables": {"1A": "x"}}}, "at 'environment.variables' failed to satisfy constraint"),
    ],
)
def test_constraints_have_awss_text(params, message):
    error = refused(params)
    assert error.code == "ValidationException"
    assert message in error.message


def test_retired_runtimes_are_refused():
    assert refused({"Runtime": "nodejs12.x"}).message.startswith(
        "The runtime parameter of nodejs12.x is no longer supported for creating or updating AWS Lambda functions."
    )


@pytest.mark.parametrize(
    "params",
    [
        {"TracingConfig": {"Mode": "Active"}},
        {"LoggingConfig": {"LogFormat": "JSON"}},
    ],
)
def test_what_would_not_happen_is_refused(params):
    assert refused(params).message.startswith("Kunren does not have ")


def test_defaults_spelled_out_are_fine():
    check_configuration(
        {
            "Timeout": 900,
            "MemorySize": 10240,
            "Layers": [],
            "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
            "TracingConfig": {"Mode": "PassThrough"},
            "SnapStart": {"ApplyOn": "None"},
            "Publish": False,
        }
    )


def test_runtime_and_handler_go_with_packages():
    with pytest.raises(AwsError, match="Runtime and Handler are mandatory"):
        check_package_members({"Runtime": "python3.12"})


def test_fifty_tags_and_no_system_tags():
    check_tags({f"k{number}": "" for number in range(50)})
    with pytest.raises(AwsError):
        check_tags({f"k{number}": "" for number in range(51)})
    with pytest.raises(AwsError):
        check_tags({"aws:x": ""})
