"""Which layer version a name or ARN is, who may use it, and which layers a function may have. Pure readers."""

from __future__ import annotations

from collections.abc import Sequence

from kunren.core.context import RequestContext
from kunren.core.errors import WireError
from kunren.services.lambda_.code import UNZIPPED_BYTES_MAX
from kunren.services.lambda_.errors import InvalidParameterValueException
from kunren.services.lambda_.lookup import Source
from kunren.services.lambda_.model import Code, LayerReference, LayerVersion

LAYERS_MAX = 5


def layer_name(told: str, ctx: RequestContext) -> tuple[str, str, str]:
    """Account, region and name of a layer told by name or ARN."""
    parts = told.split(":")
    return (parts[4], parts[3], parts[6]) if len(parts) >= 7 else (ctx.account, ctx.region, told)


def layer_versions(source: Source, account: str, region: str, name: str) -> list[LayerVersion]:
    """Those of one layer, newest first."""
    versions = [each for each in source.list(LayerVersion, account, region) if each.name == name]
    return sorted(versions, key=lambda each: -each.number)


def find_layer(source: Source, ctx: RequestContext, told: str) -> LayerVersion | None:
    """The version that `name:number` or an ARN names. Raises AccessDeniedException where it is another account's and
    its policy does not let the caller in."""
    layer, _, number = told.rpartition(":")
    account, region, name = layer_name(layer, ctx)
    version = source.get(LayerVersion, account, region, f"{name}:{number}")
    if account != ctx.account and not (version is not None and _open_to(version, ctx.account)):
        raise WireError(
            "AccessDeniedException",
            f"User: arn:aws:iam::{ctx.account}:root is not authorized to perform: lambda:GetLayerVersion on resource: "
            f"{told} because no resource-based policy allows the lambda:GetLayerVersion action",
            403,
        )
    return version


def _open_to(version: LayerVersion, account: str) -> bool:
    wanted = ("*", {"AWS": f"arn:aws:iam::{account}:root"})
    return any(each["Principal"] in wanted and "Condition" not in each for each in version.policy)


def resolve_layers(
    source: Source, ctx: RequestContext, arns: Sequence[str], known: Sequence[LayerReference] = ()
) -> tuple[LayerReference, ...]:
    """The layers of a function, in the order given. One that the function has (`known`) stays usable when its version
    has been deleted. Raises InvalidParameterValueException."""
    if len(arns) > LAYERS_MAX:
        raise InvalidParameterValueException(f"Cannot reference more than {LAYERS_MAX} layers.")
    had = {each.arn: each for each in known}
    found: list[LayerReference] = []
    for arn in arns:
        if arn.split(":")[3:4] not in ([ctx.region], [""]):
            raise InvalidParameterValueException(
                f"Layers are not in the same region as the function. Layers are expected to be in region {ctx.region}."
            )
        version = find_layer(source, ctx, arn) if arn not in had else None
        if version is None and arn not in had:
            raise InvalidParameterValueException(f"Layer version {arn} does not exist.")
        found.append(LayerReference(arn=arn, code=version.code) if version is not None else had[arn])
    layers = [each.arn.rpartition(":")[0] for each in found]
    if len(set(layers)) != len(layers):
        raise InvalidParameterValueException(
            "Two different versions of the same layer are not allowed to be referenced in the same function. "
            f"{' and '.join(each.arn for each in found)} are versions of the same layer."
        )
    return tuple(found)


def check_size(code: Code, layers: Sequence[LayerReference]) -> None:
    """Raises InvalidParameterValueException when code and layers unpack to more than AWS allows."""
    total = code.unpacked + sum(each.code.unpacked for each in layers)
    if layers and total > UNZIPPED_BYTES_MAX:
        raise InvalidParameterValueException(
            f"Function code combined with layers exceeds the maximum allowed size of {UNZIPPED_BYTES_MAX} bytes. The "
            f"actual size is {total} bytes."
        )
