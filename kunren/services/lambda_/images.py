"""Container images for functions: from a repository of ECR, or loaded from a file under the name behind the host.

A function keeps the image that it was made from when the tag moves on.
"""

from __future__ import annotations

import asyncio
import re

from kunren.dataplane.images.images import CannotPull, Images
from kunren.dataplane.images.reference import BadReference
from kunren.dataplane.images.store import Image, NoImage

UNPACKED_BYTES_MAX = 10 << 30
"""Lambda developer guide, "Lambda quotas": container image code package size, uncompressed."""
_URI = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/([^:@]+(?::[\w.-]+|@sha256:[0-9a-f]{64})?)")


class FunctionImages:
    """Finds images by ImageUri, and again by the digest of their configuration."""

    def __init__(self, images: Images) -> None:
        self._images = images

    async def find(self, uri: str) -> Image:
        """The image that an ImageUri means now, unpacked. Raises NoImage."""
        parts = _URI.fullmatch(uri)
        if parts is None:
            raise NoImage(f"Source image {uri} is not valid. Provide a valid source image.")
        try:
            found = await asyncio.to_thread(self._images.store.loaded, parts[1]) or await self._images.rootfs(uri)
        except (BadReference, CannotPull):
            advice = f"Here it is pushed to ECR, or loaded by `kunren image load FILE --name {parts[1]}`."
            raise NoImage(
                f"Source image {uri} does not exist. Provide a valid source image. {advice}"
            ) from None  # fmt: skip
        if found.size > UNPACKED_BYTES_MAX:
            raise NoImage(f"Source image {uri} is larger than {UNPACKED_BYTES_MAX} bytes.")
        return found

    def get(self, config: str) -> Image | None:
        return self._images.store.get(config)
