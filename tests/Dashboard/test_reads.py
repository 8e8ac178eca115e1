"""Dashboard/reads.py: two reads at once, and none for ever."""

import asyncio
import threading

import pytest

from Dashboard.reads import BusyError, Reads


def test_a_third_read_is_refused_and_a_free_place_is_used_again():
    """Two are at work; the third is told to come again; when one has ended it may."""

    async def tried():
        reads, release = Reads(), threading.Event()
        first = asyncio.ensure_future(reads.run(release.wait))
        second = asyncio.ensure_future(reads.run(release.wait))
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="two reads are at work"):
            await reads.run(lambda: 3)
        release.set()
        assert await first
        assert await second
        assert await reads.run(lambda: 3) == 3
        reads.close()

    asyncio.run(tried())


def test_a_read_that_is_given_up_holds_its_place_until_it_ends():
    """Else slow reads would pile up behind each other."""

    async def tried():
        reads, release = Reads(at_once=1, limit_s=0.05), threading.Event()
        with pytest.raises(BusyError, match=r"longer than 0\.05 s"):
            await reads.run(release.wait)
        with pytest.raises(BusyError, match="at work"):
            await reads.run(lambda: 1)
        release.set()
        while True:
            try:
                assert await reads.run(lambda: 1) == 1
                break
            except BusyError:
                await asyncio.sleep(0.01)
        reads.close()

    asyncio.run(tried())


def test_an_error_of_a_read_is_the_askers():
    """It is raised where the read was asked for, and the place is free again."""

    async def tried():
        reads = Reads(at_once=1)
        with pytest.raises(ZeroDivisionError):
            await reads.run(lambda: 1 / 0)
        assert await reads.run(lambda: 1) == 1
        reads.close()

    asyncio.run(tried())
