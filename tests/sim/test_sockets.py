"""One connection of the local exchange: the bytes of its frames, and its ways to end."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from ravequant.sim.sockets import Connection, Socket


def scene(behave, client):
    """Serve connections with ``behave`` while ``client`` talks to one; return its result."""

    async def behave_once(connection):
        await behave(Socket(connection))

    async def run():
        serving = serve(behave_once, "127.0.0.1", 0, create_connection=Connection)
        async with asyncio.timeout(20), serving as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            async with connect(url, ping_interval=None) as client_socket:
                return await client(client_socket)

    return asyncio.run(run())


async def hear_all(client_socket):
    """Return what came until the end, and the close code."""
    heard = []
    try:
        while True:
            heard.append(await client_socket.recv())
    except ConnectionClosed as error:
        return heard, error.rcvd and error.rcvd.code


@pytest.mark.parametrize(
    ("how", "heard", "code"),
    [
        (lambda socket: socket.close(4004, "late"), ["a", "b"], 4004),
        (lambda socket: socket.drop(), ["a", "b"], None),
    ],
)
def test_frames_collected_before_the_end_are_sent(how, heard, code):
    """With a close frame or without."""

    async def behave(socket):
        assert socket.send(b"a")
        assert socket.send(b"b")
        assert socket.waiting_bytes > 0
        how(socket)
        assert not socket.send(b"c")

    assert scene(behave, hear_all) == (heard, code)


def test_a_half_open_connection_neither_speaks_nor_hears():
    """It is not closed: the client has to notice the silence."""
    noted = []

    async def behave(socket):
        socket.fall_silent()
        noted.append(socket.send(b"lost"))
        noted.extend([text async for text in socket.texts()])

    async def client(client_socket):
        await client_socket.send("hello")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client_socket.recv()
        client_socket.transport.abort()

    scene(behave, client)
    assert noted == [False]


def test_texts_are_yielded_whole():
    """A message in several frames is one text."""
    heard = []

    async def behave(socket):
        async for text in socket.texts():
            heard.append(text)
            socket.send(text.encode())
            socket.flush()

    async def client(client_socket):
        await client_socket.send(["frag", "ment", "ed"])
        return await client_socket.recv()

    assert scene(behave, client) == "fragmented"
    assert heard == ["fragmented"]
