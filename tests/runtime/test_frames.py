import os
import struct
import threading

import numpy as np
import pytest

from fuzzconv.runtime.frames import Channel, Message


@pytest.fixture
def pair():
    """Two channels, each end reading what the other writes."""
    left_read, right_write = os.pipe()
    right_read, left_write = os.pipe()
    left, right = Channel(left_read, left_write), Channel(right_read, right_write)
    yield left, right
    left.close()
    right.close()


ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.array(3, dtype=np.int32),
    np.zeros((0, 4), np.float32),
    np.frombuffer(b"\x01\x02\x03", np.uint8),
    np.array([[np.nan, -0.0], [np.inf, 1.0]], np.float32)[:, ::-1],
]


def test_arrays_keep_dtype_shape_and_bits(pair):
    left, right = pair
    left.send(Message({"request": "run", "options": {"lightmode": False}}, ARRAYS))
    received = right.receive(1.0)
    assert received.fields == {"request": "run", "options": {"lightmode": False}}
    assert [(a.dtype, a.shape) for a in received.arrays] == [(a.dtype, a.shape) for a in ARRAYS]
    assert [a.tobytes() for a in received.arrays] == [a.tobytes() for a in ARRAYS]


def test_received_arrays_are_writable(pair):
    left, right = pair
    left.send(Message({}, [np.ones(3, np.float32)]))
    array = right.receive(1.0).arrays[0]
    array[0] = 5
    assert array.tolist() == [5, 1, 1]


def test_a_message_larger_than_the_pipe_arrives_whole(pair):
    left, right = pair
    big = np.arange(1 << 20, dtype=np.int32)
    sender = threading.Thread(target=left.send, args=(Message({}, [big]),))
    sender.start()
    assert np.array_equal(right.receive(5.0).arrays[0], big)
    sender.join()


def test_messages_keep_their_order(pair):
    left, right = pair
    for number in range(3):
        left.send(Message({"number": number}))
    assert [right.receive(1.0).fields["number"] for _ in range(3)] == [0, 1, 2]


def test_a_closed_pipe_ends_the_stream(pair):
    left, right = pair
    left.close()
    with pytest.raises(EOFError):
        right.receive(1.0)


def test_a_frame_cut_in_the_middle_is_an_end_of_stream():
    read, write = os.pipe()
    other_read, other_write = os.pipe()
    os.write(write, struct.pack("<II", 100, 0) + b"{")
    os.close(write)
    channel = Channel(read, other_write)
    with pytest.raises(EOFError):
        channel.receive(1.0)
    channel.close()
    os.close(other_read)


def test_silence_is_a_timeout(pair):
    _, right = pair
    with pytest.raises(TimeoutError):
        right.receive(0.01)
