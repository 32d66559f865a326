from kunren.dataplane.runtime.environ import RESERVED, worker_environment
from kunren.dataplane.runtime.version import FunctionVersion


def environment(**told):
    settings = {"account": "123456789012", "runtime": "python3.12", "environment": {"A_B": "1"}, **told}
    version = FunctionVersion(
        region="eu-west-1", name="f", arn="arn:aws:lambda:eu-west-1:123456789012:function:f", version="$LATEST",
        handler="a.b", memory_mb=256, timeout_s=3, code_dir="/code", revision="1", log_group="/aws/lambda/f", **settings,
    )  # fmt: skip
    return worker_environment(
        version, task_root="/var/task", runtime_api="127.1.0.2:9001", log_stream="s", path="/bin", runtime_dir="/r",
        trust={"AWS_CA_BUNDLE": "/ca"}, extra={},
    )  # fmt: skip


def test_reserved_variables_are_set_for_the_function():
    made = environment()
    assert made["AWS_REGION"] == made["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert made["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert made["AWS_LAMBDA_RUNTIME_API"] == "127.1.0.2:9001"
    assert made["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.12"
    assert made["LAMBDA_TASK_ROOT"] == "/var/task"
    assert made["A_B"] == "1"
    assert "AWS_LAMBDA_FUNCTION_NAME" in RESERVED


def test_credentials_lead_to_the_functions_own_account():
    assert environment()["AWS_ACCESS_KEY_ID"] == "123456789012"
    assert environment(account="000000000000")["AWS_ACCESS_KEY_ID"] == "test"


def test_custom_runtimes_have_no_execution_environment_variable():
    assert "AWS_EXECUTION_ENV" not in environment(runtime="provided.al2023")


def test_own_variables_win_over_trust_and_never_over_reserved_ones():
    made = environment(environment={"AWS_CA_BUNDLE": "/mine", "AWS_REGION": "moon-1"})
    assert made["AWS_CA_BUNDLE"] == "/mine"
    assert made["AWS_REGION"] == "eu-west-1"
