"""An architecture as a CloudFormation template with the domains of your document: prints it, for whatever deploys
templates. `templates/` has them with the ten domains of domains.json.

python template.py s3-website domains.json > redirect.json
aws cloudformation deploy --stack-name redirect-s3-website --template-file redirect.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import deploy_alb
import deploy_s3_website
import yaml
from document import BadDocument, Redirect, load_document
from shared import CERTIFICATES_PER_LISTENER, NAMES_PER_CERTIFICATE, check_fits

TEMPLATES = Path(__file__).with_name("templates")
LONGEST_PARAMETER = 4096
"""Bytes of a parameter's value, and of a function's environment."""
# architecture → for how many domains there is room, where
ROOM = {
    "alb": (CERTIFICATES_PER_LISTENER, "the certificates of one listener"),
    "alb-lambda": (CERTIFICATES_PER_LISTENER, "the certificates of one listener"),
    "api-gateway": (90, "the 500 resources of one stack"),
    "cloudfront-function": (NAMES_PER_CERTIFICATE, "the names of a distribution's one certificate"),
    "cloudfront-lambda-edge": (NAMES_PER_CERTIFICATE, "the names of a distribution's one certificate"),
    "s3-website": (100, "the items of one Fn::ForEach"),
}


def template(architecture: str, redirects: list[Redirect]) -> dict[str, Any]:
    """The template of `templates/`, with these redirects. Raises BadDocument."""
    check_fits(redirects, *ROOM[architecture])
    found = read(TEMPLATES / f"{architecture}.yaml")
    domains = [redirect.domain for redirect in redirects]
    parameters, resources = found["Parameters"], found["Resources"]
    parameters["Domains"]["Default"] = ",".join(domains)
    if "Document" in parameters:
        parameters["Document"]["Default"] = _document(redirects)
    if "Redirects" in found.get("Mappings", {}):
        entry = _rule if architecture == "alb" else _website
        told = {each.domain: entry(each, number) for number, each in enumerate(redirects, start=1)}
        found["Mappings"]["Redirects"] = told
    if "Certificate" in resources:
        proofs = [{"DomainName": each, "HostedZoneId": {"Ref": f"Zone{_logical(each)}"}} for each in domains]
        resources["Certificate"]["Properties"]["DomainValidationOptions"] = proofs
    if "Https" in resources:
        first = {"CertificateArn": {"Ref": f"Certificate{_logical(domains[0])}"}}
        resources["Https"]["Properties"]["Certificates"] = [first]
    return found


def _document(redirects: list[Redirect]) -> str:
    entries = {each.domain: each.options for each in redirects}
    text = json.dumps(entries).replace("'", r"\u0027")  # it stands between quotes in a function's code
    if len(text) > LONGEST_PARAMETER:
        raise BadDocument(f"the redirects take {len(text)} bytes: a parameter holds {LONGEST_PARAMETER}")
    return text


def _rule(redirect: Redirect, number: int) -> dict[str, str]:
    told = deploy_alb.redirect_action(redirect)["RedirectConfig"]
    return {
        "Priority": str(number),
        **{key: told[key] for key in ("Host", "Port", "Path", "Query")},
        "Status": told["StatusCode"],
    }


def _website(redirect: Redirect, number: int) -> dict[str, str]:
    redirect, _ = deploy_s3_website.served(redirect)
    where = {"Host": redirect.parts.netloc, "Protocol": redirect.parts.scheme}
    if deploy_s3_website.redirects_everything(redirect):
        return {"Kind": "whole", **where}
    told = deploy_s3_website.website(redirect)["RoutingRules"][0]["Redirect"]
    kind, key = ("prefix", "ReplaceKeyPrefixWith") if redirect.carry_path else ("key", "ReplaceKeyWith")
    return {"Kind": kind, **where, "Status": told["HttpRedirectCode"], "Key": told[key]}


def _logical(domain: str) -> str:
    """As `&{Domain}` puts it into logical ids."""
    return "".join(each for each in domain if each.isalnum())


# -- YAML with CloudFormation's short forms ----------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """SafeLoader that knows `!Ref` and the like."""


def _long_form(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt":
        value = value.split(".", 1)
    return {name if name == "Ref" else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _long_form)
_Loader.yaml_implicit_resolvers = {  # dates stay texts
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path) -> dict[str, Any]:
    """A template as one that could be JSON."""
    found: dict[str, Any] = yaml.load(path.read_text(), _Loader)
    return found


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ROOM:
        sys.exit(f"usage: python template.py {'|'.join(ROOM)} domains.json")
    try:
        print(json.dumps(template(sys.argv[1], load_document(sys.argv[2])), indent=2))
    except BadDocument as error:
        sys.exit(f"{sys.argv[2]}: {error}")
