"""Functions from container images: a small one made here, of this Python and a program that speaks the Runtime API."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

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
LISTS_FILES = """
import encodings.idna, encodings.latin_1, encodings.ascii, http.client, json, os, re, sys
loaded = {os.path.realpath(line.split()[-1]) for line in open("/proc/self/maps") if "/" in line and ".so" in line}
modules = {each.__file__ for each in sys.modules.values() if getattr(each, "__file__", None)}
print(json.dumps([os.path.realpath(sys.executable), *sorted(loaded | modules)]))
"""
PYTHON = os.path.realpath(sys.executable)


def python_files():
    """The files that PROGRAM needs of this machine: the interpreter, modules, libraries by all their names."""
    done = subprocess.run([PYTHON, "-I", "-S", "-c", LISTS_FILES], capture_output=True, text=True, check=True)
    found = {Path(each) for each in json.loads(done.stdout) if Path(each).is_file()}
    for library in [each for each in found if ".so" in each.name]:
        stem = library.name.partition(".so")[0]
        found |= {each for each in library.parent.glob(f"{stem}.so*") if each.resolve() == library}
    loader = re.search(rb"/lib[^\0]*/ld-linux[^\0]*", Path(PYTHON).read_bytes()[:8192])
    return sorted(found | ({Path(loader[0].decode())} if loader else set()))


class Layout:
    """An OCI layout in the making."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        self.layers = []

    def blob(self, content, kind):
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    def layer(self, files=(), texts=None, links=None):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
            for path in files:
                tar.add(path.resolve(), str(path).lstrip("/"))
            for name, text in (texts or {}).items():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
            for name, target in (links or {}).items():
                member = tarfile.TarInfo(name)
                member.type, member.linkname = tarfile.SYMTYPE, target
                tar.addfile(member)
        self.layers.append(self.blob(out.getvalue(), "layer.v1.tar+gzip"))

    def finish(self, **config):
        described = self.blob(json.dumps({"config": config, "os": "linux"}).encode(), "config.v1+json")
        manifest = {"schemaVersion": 2, "config": described, "layers": self.layers}
        index = {"schemaVersion": 2, "manifests": [self.blob(json.dumps(manifest).encode(), "manifest.v1+json")]}
        (self.folder / "index.json").write_text(json.dumps(index))
        return index["manifests"][0]["digest"]


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """A folder with the image, and its digest."""
    made = Layout(tmp_path_factory.mktemp("image"))
    made.layer(python_files(), {"app/gone": "", "app/kept": ""}, {"etc/resolv.conf": "../run/resolv.conf"})
    made.layer((), {"app/main.py": PROGRAM, "app/.wh.gone": ""})
    entry = [PYTHON, "-I", "-S", "-B", "/app/main.py"]
    return made.folder, made.finish(Entrypoint=entry, Cmd=["its", "own"], Env=["GREETING=hello"], WorkingDir="/app")


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
