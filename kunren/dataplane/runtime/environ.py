"""The environment variables of a worker, as AWS's page "Defined runtime environment variables" lists them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kunren.core.context import DEFAULT_ACCOUNT
from kunren.dataplane.runtime.version import FunctionVersion

RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
    }
)
"""Names that a function's own environment may not have (Lambda developer guide, "Reserved environment variables")."""
MACHINES_MODULES = "/usr/local/lib/node_modules:/usr/lib/node_modules"
"""What `npm install -g` put there, in place of the runtime's own (on AWS that is its SDK)."""


def worker_environment(
    version: FunctionVersion,
    *,
    task_root: str,
    runtime_api: str,
    log_stream: str,
    path: str,
    runtime_dir: str,
    trust: Mapping[str, str],
    extra: Mapping[str, str],
    initialization: str = "on-demand",
) -> dict[str, str]:
    """The whole environment of one worker process.

    `task_root` is where the worker sees its code. `trust` names the world's certificate bundle for tools with a store
    of their own; the function's own variables win over it and over PATH and LANG, never over the reserved ones. `extra`
    is between us and our runtime client; `initialization` is AWS's word for why the worker was started.
    """
    image = version.image
    libraries = f"/lib64:/usr/lib64:{task_root}:{task_root}/lib:/opt/lib"
    brought = image.environment if image is not None else {"LD_LIBRARY_PATH": libraries}
    environment = {
        "PATH": path,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": "/tmp",
        **brought,
        **trust,
        **version.environment,
        "_HANDLER": version.handler,
        "AWS_REGION": version.region,
        "AWS_DEFAULT_REGION": version.region,
        "AWS_LAMBDA_FUNCTION_NAME": version.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": initialization,
        "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_ACCESS_KEY_ID": "test" if version.account == DEFAULT_ACCOUNT else version.account,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": version.session_token,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_TASK_ROOT": task_root,
        "LAMBDA_RUNTIME_DIR": runtime_dir,
        **extra,
    }
    if version.concurrency:
        environment["AWS_LAMBDA_MAX_CONCURRENCY"] = str(version.concurrency)
    if image is not None:
        del environment["_HANDLER"], environment["LAMBDA_RUNTIME_DIR"]
    elif not version.runtime.startswith("provided"):
        environment["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{version.runtime}"
    if version.runtime.startswith("nodejs"):
        own = version.environment.get("NODE_PATH")
        major = version.runtime.removeprefix("nodejs").partition(".")[0]
        layers = f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules"
        environment["NODE_PATH"] = own or f"{layers}:{task_root}/node_modules:{task_root}:{MACHINES_MODULES}"
    return environment
