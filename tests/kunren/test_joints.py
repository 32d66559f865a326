"""Where regions' service endpoints answer: each is opened once, whoever asks for it meanwhile."""

import asyncio

from kunren.joints import Entrances
from kunren.world.addresses import api_endpoint, gateway_endpoints
from kunren.world.worldfile import DEFAULT_WORLD


class World:
    """Its sockets are the addresses that they are bound to."""

    def __init__(self):
        self.opened = lambda address: None

    async def ensure_region(self, region):
        await asyncio.sleep(0)
        return region

    async def open_socket(self, namespace, bind, listen):
        self.opened(bind)
        return bind


def entrances(world):
    made, served = Entrances(world, DEFAULT_WORLD), []
    made.accept = lambda listener, tls: served.append(listener)
    made.accept_website = served.append
    return made, served


def test_a_region_is_opened_once_for_all_who_ask():
    async def asked():
        made, served = entrances(World())
        waited = made.opening("us-east-1")
        assert made.opening("us-east-1") is waited
        await asyncio.gather(made.serve("us-east-1"), made.serve("us-east-1"))
        assert len(served) == len(set(served)) == 7  # HTTP and HTTPS, and websites by HTTP alone
        assert made.opening("us-east-1") is None

    asyncio.run(asked())


def test_apis_answer_in_a_region_that_has_just_been_opened():
    async def asked():
        world, apis = World(), []
        made, _ = entrances(world)
        last = (gateway_endpoints(0)[-1], 80)
        begin = lambda: made.open_apis(lambda region, listener: apis.append((region, listener)))  # noqa: E731
        world.opened = lambda bind: bind == last and asyncio.get_running_loop().call_soon(begin)
        await made.serve("us-east-1")
        while made.opening("us-east-1"):
            await made.opening("us-east-1")
        assert apis == [("us-east-1", (api_endpoint(0), 443))]

    asyncio.run(asked())
