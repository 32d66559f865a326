"""The index by itself: contents are counted, and nothing refers to one that is gone."""

import asyncio

import pytest

from kunren.core.errors import AwsError
from kunren.services.s3.index import Content, Index
from kunren.services.s3.model import Segment, Version


def test_a_version_cannot_refer_to_a_content_that_was_let_go(tmp_path):
    async def main():
        freed = []
        index = Index(tmp_path / "index.db", freed.extend)
        body = Content("b1", 5, None)
        first = Version(key="a", modified=0.0, owner="1", size=5, segments=(Segment("b1", 5),))
        await index.write(lambda writing: writing.add("one", first, [body]))
        copy = Version(key="b", modified=0.0, owner="1", size=5, segments=first.segments)
        await index.write(lambda writing: writing.add("one", copy))
        await index.write(lambda writing: writing.remove("one", first))
        assert freed == []
        await index.write(lambda writing: writing.add("one", Version(key="b", modified=1.0, owner="1")))
        assert freed == ["b1"]
        with pytest.raises(AwsError) as caught:  # of a copy whose source was replaced after it was read
            await index.write(lambda writing: writing.add("one", copy))
        assert caught.value.code == "OperationAborted"
        assert index.read.current("one", "b").modified == 1.0
        index.close()

    asyncio.run(main())
