"""Runs a Python function's handler over Lambda's Runtime API. A program of its own, not a module of Kunren.

The function's interpreter runs this file, so it needs nothing but the standard library of Python 3.8 or later. It
speaks just the HTTP that the Runtime API needs, over one kept connection. Errors, log lines and the context object have
the form that AWS's own Python runtime gives them.
"""

from __future__ import annotations

import decimal
import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback
from typing import Any, Callable, Dict, Iterable, NoReturn  # noqa: UP035 (Python 3.8)

Headers = Dict[str, str]  # noqa: UP006
Report = Dict[str, Any]  # noqa: UP006


class RuntimeApi:
    """The four calls of the Runtime API on one kept connection."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._host = address
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def next(self) -> tuple[Headers, bytes]:
        return self._call("GET", "invocation/next", b"", "")

    def respond(self, request_id: str, body: bytes) -> None:
        self._call("POST", f"invocation/{request_id}/response", body, "Content-Type: application/json\r\n")

    def fail(self, path: str, error: Report) -> None:
        kind = error["errorType"].encode("ascii", "replace").decode()
        headers = f"Lambda-Runtime-Function-Error-Type: {kind}\r\nContent-Type: application/json\r\n"
        self._call("POST", path, json.dumps(error).encode(), headers)

    def _call(self, method: str, path: str, body: bytes, headers: str) -> tuple[Headers, bytes]:
        first = f"{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: {self._host}\r\n"
        head = f"{first}{headers}Content-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        return self._read()

    def _read(self) -> tuple[Headers, bytes]:
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        parts, have = [rest], len(rest)
        while have < length:
            part = self._socket.recv(1 << 18)
            if not part:
                sys.exit(0)
            parts.append(part)
            have += len(part)
        whole = b"".join(parts)
        self._buffer = whole[length:]
        return headers, whole[:length]

    def _more(self) -> None:
        part = self._socket.recv(1 << 16)
        if not part:  # the runtime has ended this environment
            sys.exit(0)
        self._buffer += part


class Identity:
    """`context.identity`: empty unless a mobile client's identity came along."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class ClientContext:
    """`context.client_context`, as a mobile client sends it."""

    def __init__(self, told: Report) -> None:
        self.custom = told.get("custom")
        self.env = told.get("env")
        self.client = _Client(told["client"]) if told.get("client") else None


class _Client:
    def __init__(self, told: Report) -> None:
        for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, name, told.get(name))


class Context:
    """The handler's second argument (Lambda developer guide, "Using the Lambda context object ... Python")."""

    def __init__(self, headers: Headers) -> None:
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = Identity()
        told = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(told)) if told else None
        self._deadline_ms = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(int(self._deadline_ms - time.time() * 1000), 0)  # noqa: TID251 (no Clock in a function)

    def log(self, message: object) -> None:
        sys.stdout.write(str(message) + "\n")

    def __repr__(self) -> str:
        shown = ",".join(f"{name}={value}" for name, value in vars(self).items() if name[0] != "_")
        return f"LambdaContext({shown})"


class Formatter(logging.Formatter):
    """Log records as AWS prints them: level, UTC time, request id, message, separated by tabs."""

    converter = staticmethod(time.gmtime)
    request_id = ""

    def __init__(self) -> None:
        super().__init__("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(request)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        record.request = Formatter.request_id
        return super().format(record)


class HandlerFailure(Exception):
    """The handler could not be loaded; holds the error to report."""

    def __init__(self, kind: str, message: str, trace: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.error: Report = {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": list(trace)}


def load(handler: str) -> Callable[[Any, Context], Any]:
    """The function that `handler` ("package/module.function") names. Raises HandlerFailure."""
    try:
        module_name, function_name = handler.rsplit(".", 1)
    except ValueError as error:
        raise HandlerFailure("Runtime.MalformedHandlerName", f"Bad handler '{handler}': {error}") from None
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise HandlerFailure("Runtime.ImportModuleError", message) from None
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        message = f"Syntax error in module '{module_name}': {error}"
        raise HandlerFailure("Runtime.UserCodeSyntaxError", message, trace) from None
    except Exception as error:
        raise HandlerFailure(type(error).__name__, str(error), _frames(error)) from None
    if not hasattr(module, function_name):
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise HandlerFailure("Runtime.HandlerNotFound", message)
    found: Callable[[Any, Context], Any] = getattr(module, function_name)
    return found


def _frames(error: BaseException) -> list[str]:
    """The stack of the function's own frames, one text each, without those of this file and of the importer."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if each.filename != __file__ and "importlib" not in each.filename]
    return traceback.format_list(own)


def plain(value: object) -> float:
    """JSON for what `json` does not know: Decimal, as AWS's runtime does."""
    if isinstance(value, decimal.Decimal):
        return float(value) if value % 1 else int(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def log_error(error: Report) -> None:
    text = "[ERROR] {errorType}: {errorMessage}".format(**error)
    if error["stackTrace"]:
        text += "\nTraceback (most recent call last):\n" + "".join(error["stackTrace"]).rstrip("\n")
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def handle(api: RuntimeApi, handler: Callable[[Any, Context], Any], headers: Headers, event: bytes) -> None:
    """One invocation, from event to answer."""
    context = Context(headers)
    Formatter.request_id = context.aws_request_id
    if headers.get("lambda-runtime-trace-id"):
        os.environ["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
    try:
        value = handler(json.loads(event) if event else {}, context)
        try:
            answer = json.dumps(value, default=plain, ensure_ascii=False).encode("utf-8")
        except (TypeError, ValueError, UnicodeEncodeError) as error:
            raise Unmarshallable(f"Unable to marshal response: {error}") from None
    except Exception as error:
        kind = "Runtime.MarshalError" if isinstance(error, Unmarshallable) else type(error).__name__
        trace = [] if isinstance(error, Unmarshallable) else _frames(error)
        report = {
            "errorMessage": str(error),
            "errorType": kind,
            "requestId": context.aws_request_id,
            "stackTrace": trace,
        }
        log_error(report)
        api.fail(f"invocation/{context.aws_request_id}/error", report)
        return
    sys.stdout.flush()
    sys.stderr.flush()
    api.respond(context.aws_request_id, answer)


class Unmarshallable(Exception):
    """The handler's value is no JSON."""


def prepare() -> RuntimeApi:
    """Module path, log format and unbuffered output as on AWS; then the Runtime API."""
    offered = os.environ.pop("KUNREN_PYTHON_PACKAGES", "")
    own = __file__.rpartition("/")[0]
    stdlib = [each for each in sys.path if each != own and "-packages" not in each]
    version = os.environ.get("AWS_EXECUTION_ENV", "").rpartition("_")[2]
    layers = [f"/opt/python/lib/{version}/site-packages", "/opt/python"]
    sys.path[:] = [os.environ["LAMBDA_TASK_ROOT"], *layers, *stdlib, *([offered] if offered else [])]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(  # type: ignore[union-attr]
            line_buffering=True, encoding="utf-8", errors="backslashreplace"
        )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Formatter())
    logging.getLogger().addHandler(handler)
    return RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])


def share(workers: int) -> None:
    """Become so many processes, each with an initialisation of its own, and return in each; this one waits for them
    (developer guide, "Python runtime for Lambda Managed Instances")."""
    children = set()
    for _ in range(workers):
        child = os.fork()
        if not child:
            return
        children.add(child)
    while children:
        child, _ = os.wait()
        children.discard(child)
    if workers:
        sys.exit(1)


def main() -> NoReturn:
    share(int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY") or 0))
    api = prepare()
    try:
        handler = load(os.environ["_HANDLER"])
    except HandlerFailure as failure:
        log_error(failure.error)
        api.fail("init/error", failure.error)
        sys.exit(1)
    while True:
        headers, event = api.next()
        handle(api, handler, headers, event)


if __name__ == "__main__":
    main()
