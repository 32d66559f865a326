"""Real worlds: programs and sockets in them, VPC networks made and changed, and the end of it all."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kunren.core.clock import SystemClock
from kunren.settings import Settings
from kunren.world.channel import RulesetRefused
from kunren.world.facts import Ruleset
from kunren.world.interface import NoSuchNamespace, ProcessSpec, UnknownPlace, WorldEnded, WorldUnavailable
from kunren.world.network import Firewall, FirewallRule, NodeAddress
from kunren.world.world import UnknownRegion, World
from kunren.world.worldfile import DEFAULT_WORLD

TWO_WEB_SERVERS = Path(__file__).with_name("two_web_servers.py")
ORDINARY = 54321
RULE = FirewallRule("tcp", 81, 81, ("0.0.0.0/0",))


def test_two_programs_on_port_80_of_one_subnet_answer_a_client_place_by_their_public_addresses(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            place = await net.world.ensure_place("tokyo")
            await net.world.apply_vpc(example_vpc())
            await net.serve("eni-a", 80, "a sees")
            await net.serve("eni-b", 80, "b sees")
            assert await net.ask(place, "198.19.0.20") == "a sees 198.18.65.10"
            assert await net.ask(place, "198.19.0.21") == "b sees 198.18.65.10"

    asyncio.run(story())


def test_within_the_vpc_private_addresses_carry_and_public_ones_come_back_through_the_gateway(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            await net.world.apply_vpc(example_vpc())
            for name in ("eni-a", "eni-b", "eni-c"):
                await net.serve(name, 80, f"{name} sees")
            assert await net.ask("eni-a", "10.0.0.11") == "eni-b sees 10.0.0.10"
            assert await net.ask("eni-a", "10.0.1.10") == "eni-c sees 10.0.0.10"
            assert await net.ask("eni-a", "198.19.0.21") == "eni-b sees 198.19.0.20"
            assert await net.ask("eni-a", "198.19.0.20") == "eni-a sees 198.19.0.20"

    asyncio.run(story())


def test_a_subnet_without_a_route_to_the_gateway_is_neither_reached_nor_left(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            place = await net.world.ensure_place("tokyo")
            await net.world.apply_vpc(example_vpc())
            await net.serve("eni-c", 80, "c")
            await net.serve("region-us-east-1", 80, "endpoint", "198.19.0.2")
            assert await net.silent(place, "198.19.0.22")
            assert await net.silent("eni-c", "198.19.0.2")
            assert (await net.ask("eni-a", "198.19.0.2")).startswith("endpoint 198.19.0.20")

    asyncio.run(story())


def test_a_workload_without_a_public_address_does_not_reach_the_internet(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            await net.world.apply_vpc(example_vpc(public={"198.19.0.20": "10.0.0.10"}))
            await net.serve("region-us-east-1", 80, "endpoint", "198.19.0.2")
            assert await net.silent("eni-b", "198.19.0.2")

    asyncio.run(story())


def test_a_changed_security_group_closes_a_port_and_opens_another(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            place = await net.world.ensure_place("tokyo")
            network = example_vpc()
            await net.world.apply_vpc(network)
            await net.serve("eni-a", 80, "web")
            await net.serve("eni-a", 81, "other")
            assert await net.ask(place, "198.19.0.20", 80) == "web 198.18.65.10"
            assert await net.silent(place, "198.19.0.20", 81)
            changed = replace(network.workloads[0], firewall=Firewall((RULE,), ()))
            await net.world.apply_vpc(replace(network, workloads=(changed, *network.workloads[1:])))
            assert await net.silent(place, "198.19.0.20", 80)
            assert await net.ask(place, "198.19.0.20", 81) == "other 198.18.65.10"

    asyncio.run(story())


def test_without_an_egress_rule_a_workload_answers_but_does_not_call(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            network = example_vpc()
            mute = replace(network.workloads[0], firewall=Firewall(network.workloads[0].firewall.ingress, ()))
            await net.world.apply_vpc(replace(network, workloads=(mute, *network.workloads[1:])))
            for name in ("eni-a", "eni-b"):
                await net.serve(name, 80, name)
            assert await net.ask("eni-b", "10.0.0.10") == "eni-a 10.0.0.11"
            assert await net.silent("eni-a", "10.0.0.11")

    asyncio.run(story())


def test_a_load_balancer_node_answers_in_the_vpcs_namespace_behind_its_own_security_group(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            place = await net.world.ensure_place("tokyo")
            node = NodeAddress("eni-n", "subnet-public", "10.0.0.9", Firewall((RULE,)))
            network = example_vpc(nodes=(node,), public={"198.19.0.30": "10.0.0.9", "198.19.0.20": "10.0.0.10"})
            await net.world.apply_vpc(network)
            for port in (80, 81):
                await net.serve("vpc-one", port, f"node {port}", "10.0.0.9")
            assert await net.ask(place, "198.19.0.30", 81) == "node 81 198.18.65.10"
            assert await net.ask("eni-a", "10.0.0.9", 81) == "node 81 10.0.0.10"
            assert await net.silent(place, "198.19.0.30", 80)
            assert await net.silent("eni-a", "10.0.0.9", 80)

    asyncio.run(story())


def test_two_vpcs_may_use_the_same_cidr(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            place = await net.world.ensure_place("london")
            other = tuple(replace(each, id=f"{each.id}2") for each in example_vpc().workloads)
            await net.world.apply_vpc(example_vpc())
            await net.world.apply_vpc(example_vpc("vpc-two", workloads=other, public={"198.19.0.40": "10.0.0.10"}))
            await net.serve("eni-a", 80, "one")
            await net.serve("eni-a2", 80, "two")
            assert (await net.ask(place, "198.19.0.20")).startswith("one ")
            assert (await net.ask(place, "198.19.0.40")).startswith("two ")
            assert await net.ask("eni-a", "198.19.0.40") == "two 198.19.0.20"

    asyncio.run(story())


def test_the_vpcs_resolver_addresses_are_reached_from_every_subnet(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            await net.world.apply_vpc(example_vpc())
            for address in ("10.0.0.2", "169.254.169.253"):
                await net.serve("vpc-one", 53, f"resolver {address}", address)
                for workload in ("eni-a", "eni-c"):
                    assert (await net.ask(workload, address, 53)).startswith(f"resolver {address} ")

    asyncio.run(story())


def test_unassigned_addresses_are_silent_and_the_world_has_no_way_out(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            place = await net.world.ensure_place("tokyo")
            await net.world.apply_vpc(example_vpc())
            assert await net.silent(place, "198.19.0.99")
            for address in ("192.0.2.1", "10.0.0.10"):
                assert await net.ask(place, address) == "OSError"
            assert await net.silent("eni-a", "10.0.77.1")

    asyncio.run(story())


def test_applying_converges_from_what_was_there_and_removing_leaves_nothing(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            place = await net.world.ensure_place("tokyo")
            before = net.world.status()["namespaces"]
            network = example_vpc()
            await net.world.apply_vpc(network)
            moved = replace(network.workloads[0], address="10.0.0.77", mac="0a:00:00:00:00:77")
            await net.world.apply_vpc(replace(network, workloads=(moved,), public={"198.19.0.20": "10.0.0.77"}))
            await net.serve("eni-a", 80, "moved")
            assert await net.ask(place, "198.19.0.20") == "moved 198.18.65.10"
            with pytest.raises(NoSuchNamespace):
                await net.world.open_socket("eni-b")
            await net.world.remove_vpc("vpc-one")
            await net.world.remove_vpc("vpc-one")
            assert net.world.status()["namespaces"] == before + 2  # the region's own two
            await net.world.apply_vpc(network)
            await net.serve("eni-b", 80, "again")
            assert await net.ask(place, "198.19.0.21") == "again 198.18.65.10"

    asyncio.run(story())


def test_a_ruleset_that_nft_refuses_is_reported_in_its_words_and_changes_nothing(running, example_vpc):
    async def story() -> None:
        async with running() as net:
            place = await net.world.ensure_place("tokyo")
            await net.world.apply_vpc(example_vpc())
            await net.serve("eni-a", 80, "a")
            with pytest.raises(RulesetRefused, match="syntax error"):
                await net.world._apply("broken", [Ruleset("eni-a", "table ip kunren { nonsense }\n")])
            assert await net.silent(place, "198.19.0.20", 81)
            assert await net.ask(place, "198.19.0.20", 80) == "a 198.18.65.10"

    asyncio.run(story())


def test_names_that_the_world_does_not_have_are_refused(running):
    async def story() -> None:
        async with running() as net:
            with pytest.raises(UnknownPlace, match="tokyo"):
                await net.world.ensure_place("atlantis")
            with pytest.raises(UnknownRegion):
                await net.world.ensure_region("us-gov-1")
            with pytest.raises(NoSuchNamespace):
                await net.world.spawn(ProcessSpec("none", ["/bin/true"], "nowhere"))
            with pytest.raises(OSError, match="Address already in use"):
                await net.serve("internet", 53, "", "198.18.0.2")
                await net.serve("internet", 53, "", "198.18.0.2")

    asyncio.run(story())


def test_many_may_ask_for_the_same_place_at_once(running):
    async def story() -> None:
        async with running() as net:
            names = await asyncio.gather(*(net.world.ensure_place("paris") for _ in range(20)))
            assert set(names) == {"place-paris"}
            (await net.world.open_socket("place-paris")).close()

    asyncio.run(story())


def test_every_name_server_address_can_be_served(running):
    async def story() -> None:
        async with running() as net:
            place = await net.world.ensure_place("tokyo")
            for last in (1, 77, 254):
                await net.serve("internet", 53, "ns", f"198.18.1.{last}")
                assert await net.ask(place, f"198.18.1.{last}", 53) == "ns 198.18.65.10"
            with await net.world.open_socket("internet", type=socket.SOCK_DGRAM, bind=("198.18.1.9", 53)) as udp:
                assert udp.getsockname() == ("198.18.1.9", 53)

    asyncio.run(story())


def test_functions_without_a_vpc_come_from_their_regions_address(running):
    async def story() -> None:
        async with running() as net:
            functions = await net.world.ensure_functions("us-east-1")
            await net.serve("region-us-east-1", 80, "endpoint", "198.19.0.2")
            assert await net.ask(functions, "198.19.0.2") == "endpoint 198.19.0.3"

    asyncio.run(story())


def test_start_takes_less_than_a_second_and_the_agent_less_than_25_megabytes(running):
    async def story() -> None:
        began = time.monotonic()
        async with running() as net:
            assert time.monotonic() - began < 1.0
            rollup = Path(f"/proc/{net.world.handle()['agent_pid']}/smaps_rollup").read_text()
            (pss_kb,) = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
            assert pss_kb < 25_000

    asyncio.run(story())


def test_stop_leaves_no_process_no_mount_and_no_file(state, processes_with):
    async def story() -> Path:
        settings = Settings(state)
        world = World(settings, DEFAULT_WORLD, SystemClock())
        await world.start()
        place = await world.ensure_place("tokyo")
        marker = f"sleep 86{os.getpid()}"
        await world.spawn(ProcessSpec("p", ["/bin/sh", "-c", f"setsid {marker} & {marker}"], place))
        agent = world.handle()["agent_pid"]
        await world.stop()
        assert not Path(f"/proc/{agent}").exists()
        assert processes_with(marker) == []
        with pytest.raises(WorldEnded):
            await world.open_socket(place)
        return settings.run_dir

    run_dir = asyncio.run(story())
    assert not run_dir.exists()
    assert str(run_dir) not in Path("/proc/self/mounts").read_text()


def test_a_stopped_world_can_start_again(state):
    async def story() -> None:
        world = World(Settings(state), DEFAULT_WORLD, SystemClock())
        for _ in range(2):
            await world.start()
            (await world.open_socket(await world.ensure_place("tokyo"))).close()
            await world.stop()

    asyncio.run(story())


def test_when_the_agent_dies_the_owner_is_told_and_every_process_has_ended(state):
    async def story() -> None:
        told = asyncio.Event()
        world = World(Settings(state), DEFAULT_WORLD, SystemClock(), on_end=told.set)
        await world.start()
        process = await world.spawn(ProcessSpec("p", ["/bin/sleep", "1000"], "internet"))
        os.kill(world.handle()["agent_pid"], signal.SIGKILL)
        await asyncio.wait_for(told.wait(), 10)
        assert await process.wait() == -signal.SIGKILL
        with pytest.raises(WorldEnded):
            await world.open_socket("internet")
        await world.stop()

    asyncio.run(story())


def start_daemon(state: Path, marker: str, prefix: tuple[str, ...] = ()) -> tuple[subprocess.Popen[str], dict]:
    """A process that has a world of its own, with two web servers and a daemonised grandchild."""
    command = [*prefix, sys.executable, str(TWO_WEB_SERVERS), str(state), marker]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return daemon, json.loads(daemon.stdout.readline())


def test_kill_9_of_the_daemon_ends_everything_daemonised_grandchildren_too(state, processes_with):
    marker = f"sleep 87{os.getpid()}"
    daemon, _ = start_daemon(state, marker)
    assert len(processes_with(marker)) >= 2
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()
    deadline = time.monotonic() + 10
    while processes_with(marker) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes_with(marker) == []


def as_ordinary_user() -> tuple[str, ...]:
    """How to run a command without privileges: as we are, or, for root, as another user of a user namespace in which we
    keep no capability (root's own files, such as this interpreter, stay readable)."""
    return () if os.geteuid() else ("unshare", "--user", f"--map-user={ORDINARY}", f"--map-group={ORDINARY}")


def test_an_ordinary_user_has_the_same_world(state):
    daemon, said = start_daemon(state, f"sleep 88{os.getpid()}", as_ordinary_user())
    try:
        assert said["uid"] in (ORDINARY, os.geteuid()) and said["uid"] != 0
        assert said["answers"] == {"198.19.0.20": "a sees 198.18.65.10", "198.19.0.21": "b sees 198.18.65.10"}
    finally:
        daemon.terminate()
        daemon.wait()
        daemon.stdout.close()


def in_a_place_without_user_namespaces(*command: str) -> list[str]:
    """Run a command where no user namespace may be made, as in many containers, with capabilities."""
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh", *command]


def test_with_the_capabilities_no_user_namespace_is_needed(state):
    prefix = tuple(in_a_place_without_user_namespaces())
    daemon, said = start_daemon(state, f"sleep 89{os.getpid()}", prefix)
    daemon.terminate()
    daemon.wait()
    daemon.stdout.close()
    assert said["answers"]["198.19.0.21"] == "b sees 198.18.65.10"


def test_where_neither_is_allowed_the_failure_is_one_paragraph(state):
    # An ordinary user's process, inside a namespace that has used up its user namespaces.
    command = in_a_place_without_user_namespaces("setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable)
    done = subprocess.run([*command, str(TWO_WEB_SERVERS), str(state), "-"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "Kunren could not make its own namespaces" in done.stderr
    assert "sysctl user.max_user_namespaces=15000" in done.stderr


def test_a_state_folder_in_use_by_a_world_that_was_killed_is_taken_over(state):
    stale = Settings(state).run_dir / "world" / "stage"
    stale.mkdir(parents=True)
    (stale / "left").write_text("over")

    async def story() -> None:
        world = World(Settings(state), DEFAULT_WORLD, SystemClock())
        await world.start()
        await world.stop()

    asyncio.run(story())


def test_an_agent_that_cannot_start_is_a_clear_failure(state, monkeypatch):
    monkeypatch.setattr("kunren.world.launcher._LAUNCH", "raise SystemExit(3)")

    async def story() -> None:
        world = World(Settings(state), DEFAULT_WORLD, SystemClock())
        with pytest.raises(WorldUnavailable, match="ended before the world was there"):
            await world.start()
        assert not world.running

    asyncio.run(story())
