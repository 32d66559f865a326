"""Small parts that join others, for `kunren.app`: what services ask the world's DNS, where regions' service endpoints
answer, who uses a certificate."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from kunren.control.store import Snapshot, Tx
from kunren.core.ca import CertificateAuthority
from kunren.core.errors import Unusable
from kunren.dataplane.dns.server import DnsServer
from kunren.services.apigatewayv2.domains.state import domains_with
from kunren.services.cloudfront.checks import distributions_with
from kunren.services.elbv2.associations import certificates_in_use
from kunren.world.addresses import api_endpoint, gateway_endpoints, website_endpoint
from kunren.world.spec import WorldSpec
from kunren.world.world import World


class Names:
    """Records as the world's DNS gives them to anyone who asks."""

    def __init__(self, dns: DnsServer) -> None:
        self._dns = dns

    async def cnames(self, name: str) -> list[str]:
        """The targets of a name's CNAME."""
        return list((await self._dns.query(name, "CNAME")).values)

    async def caa_records(self, name: str) -> list[str]:
        """A name's CAA records. Raises OSError where the DNS does not answer."""
        reply = await self._dns.query(name, "CAA")
        if reply.rcode not in ("NOERROR", "NXDOMAIN"):
            raise OSError(f"the CAA records of {name} could not be looked up: {reply.rcode}")
        return list(reply.values)

    async def texts(self, name: str) -> list[str]:
        """The texts of a name's TXT records, without their quotes."""
        return [each.strip('"') for each in (await self._dns.query(name, "TXT")).values]


class Entrances:
    """Where the endpoints of AWS's services answer within the world: in the regions that somebody has asked for."""

    def __init__(self, world: World, spec: WorldSpec) -> None:
        self._world = world
        self._spec = spec
        self._served: set[str] = set()
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._closed = False
        self.accept: Callable[[socket.socket, bool | None], None] | None = None
        """Serves a listening socket, over TLS or not; set before the first is opened."""
        self.accept_website: Callable[[socket.socket], None] | None = None
        """The same for the addresses of buckets' websites, which answer over HTTP alone."""
        self._accept_api: Callable[[str, socket.socket], None] | None = None

    def asked(self, region: str) -> None:
        """Have the service endpoints of this region answer."""
        self.opening(region)

    def opening(self, region: str) -> asyncio.Future[None] | None:
        """The same for somebody who looked one up: what to wait for until they do, None where they do already."""
        if region in self._served or self._closed:
            return self._opening.get(region)
        return self._open(region, self._serve)

    def _open(self, region: str, serve: Callable[[str], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        task = self._opening.get(region)
        if task is None:
            task = self._opening[region] = asyncio.get_running_loop().create_task(self._opened(region, serve))
        return task

    async def _opened(self, region: str, serve: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        try:
            await serve(region)
        finally:
            del self._opening[region]  # with its end: whoever asks then asks for something else

    async def serve(self, region: str) -> None:
        """Return when the endpoints of that region answer."""
        if region not in self._served:
            await asyncio.shield(self._open(region, self._serve))

    async def _serve(self, region: str) -> None:
        assert self.accept is not None and self.accept_website is not None
        index = next(i for i, each in enumerate(self._spec.regions) if each.name == region)
        namespace = await self._world.ensure_region(region)
        for address in gateway_endpoints(index):
            for port, tls in ((443, True), (80, False)):
                websites = address == website_endpoint(index)
                if websites and tls:
                    continue
                listener = await self._world.open_socket(namespace, bind=(address, port), listen=1024)
                if websites:
                    self.accept_website(listener)
                else:
                    self.accept(listener, tls)
        if self._accept_api is not None:
            await self._serve_apis(region)
        self._served.add(region)

    def open_apis(self, accept: Callable[[str, socket.socket], None]) -> None:
        """From now on API Gateway's APIs answer in each region, over HTTPS alone, at an address of their own."""
        self._accept_api = accept
        for region in self._served:
            self._open(region, self._serve_apis)

    async def _serve_apis(self, region: str) -> None:
        assert self._accept_api is not None
        index = next(i for i, each in enumerate(self._spec.regions) if each.name == region)
        namespace = await self._world.ensure_region(region)
        self._accept_api(region, await self._world.open_socket(namespace, bind=(api_endpoint(index), 443), listen=1024))

    def close(self) -> None:
        """Open no more."""
        self._closed = True
        for opening in self._opening.values():
            opening.cancel()


async def listening(starting: Coroutine[Any, Any, None], option: str, port: int) -> None:
    """Start what listens at a port of the host. Raises Unusable where the port is taken."""
    try:
        await starting
    except OSError as error:
        raise Unusable(
            f"port {port} on 127.0.0.1 can't be used: {error.strerror or error}. Another program has it, perhaps "
            f"another Kunren; choose a free one with {option}, or end the other (`ss -ltnp` names it)."
        ) from error


def certificate_users(snapshot: Snapshot | Tx, arn: str) -> list[str]:
    """The ARNs of the load balancers, distributions and domain names that serve with a certificate."""
    return [*certificates_in_use(snapshot, arn), *distributions_with(snapshot, arn), *domains_with(snapshot, arn)]


def trust_variables(ca: CertificateAuthority) -> dict[str, str]:
    """The environment variables by which tools find the world's roots."""
    bundle = str(ca.bundle_path)
    names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    return dict.fromkeys(names, bundle)
