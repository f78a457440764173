import numpy as np
from made_findings import shifted_weights

from fuzzconv.report.byte_map import byte_map, byte_map_text
from fuzzconv.runtime.execution import BlobRead

VALUES = np.zeros(1, np.float32)


def blob(layer: str, load_type: int, offset: int, size: int, *, tag: int | None = None) -> BlobRead:
    return BlobRead(layer, "Layer", 0, load_type, tag, offset, size, VALUES)


def tagged(*values: float) -> bytes:
    return bytes(4) + np.array(values, np.float32).tobytes()


def test_a_shift_is_shown_where_it_begins() -> None:
    # the incident: axes is int64 -1, eight bytes, of which the reader takes four
    content = b"\xff" * 8 + tagged(1, 2, 3, 4)
    reads = [blob("axes", 1, 0, 4), blob("conv", 0, 4, 20, tag=0xFFFFFFFF)]
    found = byte_map(shifted_weights().model, content, reads)
    assert [row.suspect for row in found.rows] == [True, True, False, True, True, True, True]
    assert found.first_fault == 0
    assert [row.written for row in found.rows] == [
        "axes[0]",
        "axes[0]",
        "w: tag (fp32)",
        "w[0]",
        "w[1]",
        "w[2]",
        "w[3]",
    ]
    assert [row.read for row in found.rows][:4] == ["axes[0]", "conv: tag", "conv[0]", "conv[1]"]
    assert found.rows[6].read == ""


def test_a_sound_file_has_no_suspect_row() -> None:
    content = b"\xff" * 4 + tagged(1, 2, 3, 4)
    reads = [blob("axes", 1, 0, 4), blob("conv", 0, 4, 20, tag=0)]
    found = byte_map(shifted_weights().model, content, reads)
    assert found.first_fault is None


def test_fp16_values_are_two_to_a_row() -> None:
    tag = 0x01306B47
    content = tag.to_bytes(4, "little") + np.array([1, 2, 3, 4], np.float16).tobytes()
    found = byte_map(shifted_weights().model, content, [blob("conv", 0, 0, 12, tag=tag)])
    assert [row.read for row in found.rows] == ["conv: tag", "conv[0]", "conv[2]"]
    assert [row.written for row in found.rows] == ["w: tag (fp16)", "w[0]", "w[2]"]
    assert found.first_fault is None


def test_a_zero_is_looked_for_where_ncnn_reads_it_first() -> None:
    model = shifted_weights().model
    model.graph.initializer[1].dims[:] = [1]
    model.graph.initializer[1].raw_data = bytes(4)
    found = byte_map(model, tagged(0), [blob("conv", 0, 0, 8, tag=0)])
    assert [row.written for row in found.rows] == ["w: tag (fp32)", "w[0]"]
    assert found.first_fault is None


def test_text_marks_the_fault_and_says_how_much_it_shows() -> None:
    content = b"\xff" * 8 + tagged(1, 2, 3, 4) + bytes(400)
    found = byte_map(shifted_weights().model, content, [blob("axes", 1, 0, 4)])
    lines = byte_map_text(found).splitlines()
    assert lines[1] == "     0  ff ff ff ff             nan  axes[0]               axes[0]  <--"
    assert lines[-1] == "(80 of 428 bytes shown)"
