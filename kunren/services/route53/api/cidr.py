"""CIDR collections: the blocks of addresses that IP-based routing tells clients by ("IP-based routing")."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network
from typing import Any

import msgspec

from kunren.control.store import Snapshot, Tx
from kunren.core import pagination
from kunren.core.arn import build_arn
from kunren.core.context import RequestContext
from kunren.services.route53.api.base import Base
from kunren.services.route53.errors import (
    CidrBlockInUse,
    CidrCollectionAlreadyExists,
    CidrCollectionInUse,
    CidrCollectionVersionMismatch,
    InvalidInput,
    LimitsExceeded,
    NoSuchCidrCollection,
    NoSuchCidrLocation,
)
from kunren.services.route53.model import CidrCollection, OwnerName
from kunren.services.route53.shapes import location, max_items
from kunren.services.route53.store import GLOBAL

COLLECTIONS_MAX = 5
BLOCKS_PER_COLLECTION_MAX = 1000
BLOCKS_PER_REQUEST_MAX = 1000
PER_PAGE = 100
_PREFIXES = {4: range(1, 25), 6: range(1, 49)}


class CidrCollections(Base):
    def create_cidr_collection(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """The same name and caller reference again give the collection that is there."""
        with self._store.write() as tx:
            others = tx.list(CidrCollection, ctx.account, GLOBAL)
            made = next((each for each in others if each.name == params["Name"]), None)
            if made is not None and made.caller_reference != params["CallerReference"]:
                raise CidrCollectionAlreadyExists(params["Name"])
            if made is None:
                if len(others) >= COLLECTIONS_MAX:
                    raise LimitsExceeded("Limits Exceeded: MAX_CIDR_COLLECTIONS_BY_OWNER")
                made = CidrCollection(
                    account=ctx.account,
                    region=GLOBAL,
                    id=self._entropy.uuid(),
                    name=params["Name"],
                    caller_reference=params["CallerReference"],
                )
                tx.put(made)
        return {"Collection": _shape(made), "Location": location(f"/cidrcollection/{made.id}")}

    def change_cidr_collection(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        """One transaction: what is deleted in it may be put elsewhere in it."""
        if sum(len(each["CidrList"]) for each in params["Changes"]) > BLOCKS_PER_REQUEST_MAX:
            raise LimitsExceeded(f"A request can't have more than {BLOCKS_PER_REQUEST_MAX} CIDR blocks.")
        with self._store.write() as tx:
            collection = self._collection(tx, ctx.account, params["Id"])
            if params.get("CollectionVersion") not in (None, collection.version):
                raise CidrCollectionVersionMismatch
            blocks = _changed(collection.blocks, params["Changes"])
            if len(blocks) > BLOCKS_PER_COLLECTION_MAX:
                raise LimitsExceeded(f"A CIDR collection can't have more than {BLOCKS_PER_COLLECTION_MAX} blocks.")
            collection = msgspec.structs.replace(collection, blocks=blocks, version=collection.version + 1)
            tx.put(collection)
            change = self._records.add_change(tx, collection)
        return {"Id": change.id}

    def delete_cidr_collection(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        with self._store.write() as tx:
            collection = self._collection(tx, ctx.account, params["Id"])
            used = any(
                each.cidr is not None and each.cidr.collection_id == collection.id
                for owner in tx.every(OwnerName)
                for each in owner.record_sets
            )
            if collection.blocks or used:
                raise CidrCollectionInUse(collection.id)
            tx.delete(collection)
        return {}

    def list_cidr_collections(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        found = {each.id: each for each in self._store.snapshot().list(CidrCollection, ctx.account, GLOBAL)}
        page, token = _page(sorted(found), params)
        return {"CidrCollections": [_shape(found[each]) for each in page], "NextToken": token}

    def list_cidr_locations(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        collection = self._collection(self._store.snapshot(), ctx.account, params["CollectionId"])
        page, token = _page(sorted(set(collection.blocks.values())), params)
        return {"CidrLocations": [{"LocationName": each} for each in page], "NextToken": token}

    def list_cidr_blocks(self, ctx: RequestContext, params: dict[str, Any]) -> dict[str, Any]:
        collection = self._collection(self._store.snapshot(), ctx.account, params["CollectionId"])
        wanted = params.get("LocationName")
        if wanted and wanted not in collection.blocks.values():
            raise NoSuchCidrLocation(wanted)
        found = [block for block, name in collection.blocks.items() if wanted in (None, "", name)]
        page, token = _page(sorted(found), params)
        return {
            "CidrBlocks": [{"CidrBlock": each, "LocationName": collection.blocks[each]} for each in page],
            "NextToken": token,
        }

    def _collection(self, reader: Snapshot | Tx, account: str, id: str) -> CidrCollection:
        found = reader.get(CidrCollection, account, GLOBAL, id)
        if found is None:
            raise NoSuchCidrCollection(id)
        return found


def _shape(collection: CidrCollection) -> dict[str, Any]:
    return {
        "Arn": build_arn("route53", "", collection.account, f"cidrcollection/{collection.id}"),
        "Id": collection.id,
        "Name": collection.name,
        "Version": collection.version,
    }


def _page(found: list[str], params: Mapping[str, Any]) -> tuple[list[str], str | None]:
    try:
        return pagination.page(
            found, params.get("NextToken"), max_items(params.get("MaxResults"), PER_PAGE), lambda each: each
        )
    except pagination.InvalidToken:
        raise InvalidInput("The pagination token is not valid.") from None


def _changed(blocks: Mapping[str, str], changes: list[dict[str, Any]]) -> dict[str, str]:
    """The blocks after all deletions and then all puts."""
    after = dict(blocks)
    for action in ("DELETE_IF_EXISTS", "PUT"):
        for change in changes:
            if change["Action"] != action:
                continue
            name = change["LocationName"]
            for block in map(_block, change["CidrList"]):
                if action == "PUT" and after.setdefault(block, name) != name:
                    raise CidrBlockInUse(block, after[block])
                if action == "DELETE_IF_EXISTS" and after.get(block) == name:
                    del after[block]
    return after


def _block(text: str) -> str:
    """A block in its usual form. Raises InvalidInput."""
    try:
        network = ip_network(text)
    except ValueError:
        raise InvalidInput(f"The CIDR block {text} is not valid.") from None
    if network.prefixlen not in _PREFIXES[network.version]:
        most = "/24" if isinstance(network, IPv4Network) else "/48"
        raise InvalidInput(f"The prefix of the CIDR block {text} is not between /1 and {most}.")
    return str(network)
