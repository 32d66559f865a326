"""S3's operations (S3 API Reference), in groups by what they are about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from kunren.core.context import RequestContext
from kunren.core.fronts import FrontAnswer
from kunren.services.s3.api.buckets import BucketOperations
from kunren.services.s3.api.configurations import ConfigurationOperations
from kunren.services.s3.api.copying import CopyOperations
from kunren.services.s3.api.forms import FormOperations, Request
from kunren.services.s3.api.listing import ListOperations
from kunren.services.s3.api.properties import PropertyOperations


class S3Api(
    BucketOperations, ConfigurationOperations, CopyOperations, PropertyOperations, ListOperations, FormOperations
):
    """Handlers of s3. `streamed` are the operations that take their body as it was taken in on arrival; `raw` answers
    what is no operation of the model; `finish` adds to every answer."""

    service: ClassVar[str] = "s3"
    streamed: ClassVar[frozenset[str]] = frozenset({"PutObject", "UploadPart"})

    @property
    def raw(self) -> dict[str, Callable[[RequestContext, Request, Mapping[str, str]], Awaitable[FrontAnswer]]]:
        return {"PostObject": self.post_form, "Preflight": self.preflight}
