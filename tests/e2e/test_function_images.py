"""Functions from container images: a small one made here, of this Python and a program that speaks the Runtime API."""

import json
import tarfile

import pytest
from botocore.exceptions import ClientError
from oci import PYTHON, layer, python_files
from oci import layout as written

ROLE = "arn:aws:iam::000000000000:role/any"
NAME = "docker.io/my/function:1"
HOST = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
PROGRAM = """
import http.client, json, os, sys
API = "/2018-06-01/runtime/invocation/"
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def tried(path):
    try:
        with open(path, "w") as file:
            return file.write("x")
    except OSError as error:
        return os.strerror(error.errno)
while True:
    connection.request("GET", API + "next")
    event = connection.getresponse()
    json.loads(event.read())
    told = {
        "arguments": sys.argv[1:], "folder": os.getcwd(), "greeting": os.environ["GREETING"],
        "name": os.environ["AWS_LAMBDA_FUNCTION_NAME"], "handler": os.environ.get("_HANDLER"),
        "root": sorted(os.listdir("/")), "app": sorted(os.listdir("/app")), "resolver": open("/etc/resolv.conf").read(),
        "writes": [tried("/app/new"), tried("/tmp/new")], "bundle": open(os.environ["SSL_CERT_FILE"]).read()[:10],
    }
    id = event.getheader("Lambda-Runtime-Aws-Request-Id")
    connection.request("POST", API + id + "/response", json.dumps(told))
    connection.getresponse().read()
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """A folder with the image, and its digest."""
    folder = tmp_path_factory.mktemp("image") / "layout"
    lower = layer({"app/gone": "", "app/kept": ""}, {"etc/resolv.conf": "../run/resolv.conf"}, files=python_files())
    upper = layer({"app/main.py": PROGRAM, "app/.wh.gone": ""})
    entry = [PYTHON, "-I", "-S", "-B", "/app/main.py"]
    config = {"Entrypoint": entry, "Cmd": ["its", "own"], "Env": ["GREETING=hello"], "WorkingDir": "/app"}
    return folder, written(folder, lower, upper, **config)


def test_an_image_runs_alone_with_its_own_files_as_it_and_the_function_say(kunren, account, layout):
    folder, digest = layout
    assert (
        kunren.run("image", "load", str(folder), "--name", "my/function:1", check=True).stdout == f"{NAME}@{digest}\n"
    )
    with tarfile.open(folder.parent / "image.tar", "w") as tar:
        tar.add(folder, ".")
    assert {"name": NAME, "digest": digest} in images(kunren)
    functions = kunren.client("lambda", account)
    uri = f"{HOST}/my/function:1"
    made = functions.create_function(
        FunctionName="image", PackageType="Image", Role=ROLE, Code={"ImageUri": uri}, Timeout=20
    )
    assert (made["PackageType"], made["CodeSha256"], made["CodeSize"]) == ("Image", digest.partition(":")[2], 0)
    assert not {"Runtime", "Handler", "ImageConfigResponse"} & made.keys()
    ready(functions, "image")
    told = answer(functions, "image")
    assert (told["arguments"], told["folder"], told["greeting"]) == (["its", "own"], "/app", "hello")
    assert (told["name"], told["handler"], told["app"]) == ("image", None, ["kept", "main.py"])
    assert "home" not in told["root"] and "tmp" in told["root"]
    assert (told["resolver"], told["bundle"]) == ("nameserver 198.18.0.2\n", "-----BEGIN")
    assert told["writes"] == ["Read-only file system", 1]

    code = functions.get_function(FunctionName="image")["Code"]
    resolved = f"{HOST}/my/function@{digest}"
    assert code == {"RepositoryType": "ECR", "ImageUri": uri, "ResolvedImageUri": resolved}
    config = {"Command": ["other"], "WorkingDirectory": "/tmp"}
    shown = functions.update_function_configuration(
        FunctionName="image", ImageConfig=config, Environment={"Variables": {"GREETING": "good day"}}
    )
    assert shown["ImageConfigResponse"] == {"ImageConfig": config}
    ready(functions, "image", "function_updated_v2")
    told = answer(functions, "image")
    assert (told["arguments"], told["folder"], told["greeting"]) == (["other"], "/tmp", "good day")
    functions.update_function_code(FunctionName="image", ImageUri=resolved, Publish=True)
    ready(functions, "image", "function_updated_v2")
    assert answer(functions, "image")["arguments"] == ["other"]


def images(kunren):
    return json.loads(kunren.run("image", "ls", "--json", check=True).stdout)["images"]


def ready(functions, name, waiter="function_active_v2"):
    functions.get_waiter(waiter).wait(FunctionName=name, WaiterConfig={"Delay": 0.1})


def answer(functions, name):
    told = functions.invoke(FunctionName=name, Payload=b"{}")
    result = json.loads(told["Payload"].read())
    assert "FunctionError" not in told, result
    return result


def test_what_is_no_image_is_refused_by_name(kunren, account, tmp_path):
    functions = kunren.client("lambda", account)

    def refused(call, **params):
        with pytest.raises(ClientError) as caught:
            call(**params)
        return caught.value.response["Error"]["Message"]

    def create(uri, **more):
        settings = {"PackageType": "Image", "Role": ROLE, "Code": {"ImageUri": uri}, **more}
        return refused(functions.create_function, FunctionName="f", **settings)

    missing = f"{HOST}/not/there:9"
    assert create(missing) == (
        f"Source image {missing} does not exist. Provide a valid source image. Here it is pushed to ECR, or loaded "
        "by `kunren image load FILE --name not/there:9`."
    )
    assert create("not/there:9") == "Source image not/there:9 is not valid. Provide a valid source image."
    assert create(missing, Runtime="python3.11").startswith("Please don't provide handler or runtime or layer")
    (tmp_path / "some.tar").write_text("no archive")
    told = kunren.run("image", "load", str(tmp_path / "some.tar"), "--name", "some:1")
    assert (told.returncode, "is no image that can be read" in told.stderr, "Traceback" in told.stderr) == (
        1,
        True,
        False,
    )
