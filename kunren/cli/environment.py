"""`kunren ca` and `kunren env`: what other tools need to know."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from kunren.cli.failures import Unusable
from kunren.cli.options import state_option
from kunren.core.ca import BUNDLE_FILE, ROOT_FILE
from kunren.management.client import Management

NO_PROXY = "localhost,127.0.0.1,::1"


@click.command()
@state_option
def ca(state_dir: Path) -> None:
    """Print the path of the world's CA certificate (PEM), for a browser or another machine to trust."""
    path = state_dir.resolve() / "ca" / ROOT_FILE
    if not path.exists():
        raise Unusable(f"there is no CA in {state_dir} yet: it is made by the first `kunren up`.")
    click.echo(str(path))


@click.command()
@state_option
@click.option("--account", metavar="ID", help="The account whose credentials (000000000000 when not given).")
@click.option("--unset", is_flag=True, help="Print what takes the settings back.")
def env(state_dir: Path, account: str | None, unset: bool) -> None:
    """Print shell exports that point AWS and HTTP tools at this Kunren.

    In strict mode the credentials are the account's root key; elsewhere any will do.

    \b
    Example:
      eval "$(kunren env)"
      aws sts get-caller-identity
      curl https://example-one.test/
    """
    if account is not None and not (len(account) == 12 and account.isdigit()):
        raise click.UsageError("--account is twelve digits.")
    management = Management(state_dir)
    listens = management.get("/status")["ports"]
    credentials = management.post("/credentials", {"account": account, "role": None})
    variables = credentials["variables"]
    if account is not None and not credentials["strict"]:
        variables["AWS_ACCESS_KEY_ID"] = account
    proxy = f"http://127.0.0.1:{listens['proxy']}"
    bundle = str(state_dir.resolve() / "ca" / BUNDLE_FILE)
    values = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listens['api']}",
        # AWS's tools put the account in front of this service's endpoint, so it needs a name: the world's, by the proxy
        "AWS_ENDPOINT_URL_CLOUDFRONT_KEYVALUESTORE": "https://cloudfront-kvs.global.api.aws",
        **variables,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_CA_BUNDLE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "NODE_EXTRA_CA_CERTS": str(state_dir.resolve() / "ca" / ROOT_FILE),
        "http_proxy": proxy,
        "https_proxy": proxy,
        "HTTP_PROXY": proxy,
        "HTTPS_PROXY": proxy,
        "no_proxy": NO_PROXY,
        "NO_PROXY": NO_PROXY,
        "KUNREN_STATE": str(state_dir.resolve()),
    }
    for name, value in values.items():
        click.echo(f"unset {name}" if unset else f"export {name}={shlex.quote(value)}")
