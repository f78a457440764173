"""The table of planted faults, and what the exact signature of each must say."""

from __future__ import annotations

import numpy as np
from planted import Fault, PlantedOutcomeError, Site, WeightDamageError

from fuzzconv.case import Array
from fuzzconv.verdict import Kind


def _changed(array: Array, index: int, value: float) -> Array:
    changed = array.copy()
    changed.reshape(-1)[index] = value
    return changed


def _weight(site: Site, position: int) -> Array | None:
    names = site.node.input
    if len(names) > position and names[position] in site.constants:
        return site.inputs[position]
    return None


def _shift_by_one(site: Site) -> None:
    weight = _weight(site, 1)
    if weight is not None and weight.size > 1:
        moved = np.concatenate([[np.float32(7.25)], weight.ravel()[:-1]]).reshape(weight.shape)
        raise WeightDamageError(site.node.input[1], weight, moved)


def _first_nan(site: Site) -> None:
    weight = _weight(site, 1)
    if weight is not None:
        raise WeightDamageError(site.node.input[1], weight, _changed(weight, 0, np.nan))


def _last_lost(site: Site) -> None:
    weight = _weight(site, 1)
    if weight is not None:
        raise WeightDamageError(site.node.input[1], weight, _changed(weight, -1, 12345.0))


def _odd_half_unpadded(site: Site) -> None:
    weight = _weight(site, 1)
    if weight is not None and weight.size % 2:
        raise WeightDamageError(site.node.input[1], weight, np.roll(weight, 1) + 1, unpadded=True)


def _row_swapped(site: Site) -> list[Array] | None:
    weight = _weight(site, 1)
    if weight is None or len(weight) < 2:
        return None
    return site.run([site.inputs[0], weight[[1, 0, *range(2, len(weight))]], *site.inputs[2:]])


def _bias_dropped(site: Site) -> list[Array] | None:
    if len(site.inputs) < 3 or site.inputs[2] is None:
        return None
    return site.run([*site.inputs[:2], np.zeros_like(site.inputs[2])])


def _pads_swapped(site: Site) -> list[Array] | None:
    pads = list(site.attribute("pads", []))
    if not any(pads) or pads == pads[::-1]:
        return None
    return site.run(node=site.given(pads=pads[::-1]))


def _ignored(attribute: str):
    def wrong(site: Site) -> list[Array] | None:
        return None if site.attribute(attribute) is None else site.run(node=site.without(attribute))

    return wrong


def _batch_mixed(site: Site) -> list[Array] | None:
    (output,) = site.run()
    return [output[::-1].copy()] if output.ndim > 1 and output.shape[0] > 1 else None


def _nan_at_one(site: Site) -> list[Array] | None:
    (output,) = site.run()
    return [_changed(output, -1, np.nan)]


def _one_element_of_many(site: Site) -> list[Array] | None:
    (output,) = site.run()
    return [_changed(output, 41, output.ravel()[41] + 1)] if output.size >= 60 else None


def _plus_one(site: Site) -> list[Array] | None:
    return [output + output.dtype.type(1) for output in site.run()]


def _when(attribute: str, value: object):
    def wrong(site: Site) -> list[Array] | None:
        return _plus_one(site) if site.attribute(attribute) == value else None

    return wrong


def _any_above_one(attribute: str):
    def wrong(site: Site) -> list[Array] | None:
        return _plus_one(site) if any(v > 1 for v in site.attribute(attribute, [])) else None

    return wrong


def _first_constant(site: Site) -> list[Array] | None:
    return [-site.run()[0]] if site.node.input[0] in site.constants else None


def _broadcast(site: Site) -> list[Array] | None:
    shapes = {a.shape for a in site.inputs if a is not None}
    return _plus_one(site) if len(shapes) > 1 else None


def _after(maker: str):
    def wrong(site: Site) -> list[Array] | None:
        return _plus_one(site) if maker in (site.maker(0), site.maker(1)) else None

    return wrong


def _swish(site: Site) -> list[Array] | None:
    for position in (0, 1):
        producer = site.producers.get(site.node.input[position])
        if producer and producer.op_type == "Sigmoid" and producer.input[0] == site.node.input[1 - position]:
            return _plus_one(site)
    return None


def _axis_doubled(site: Site) -> list[Array] | None:
    return [np.stack([o, o]) for o in site.run()] if site.attribute("keepdims", 1) == 0 else None


def _not_float(site: Site) -> list[Array] | None:
    return _plus_one(site) if site.inputs[0].dtype == np.int64 else None


def _only_rank(rank: int):
    def wrong(site: Site) -> list[Array] | None:
        return _plus_one(site) if site.inputs[0].ndim == rank else None

    return wrong


def _ends(kind: Kind, stage: str, message: str, attribute: str = "", value: object = None):
    def wrong(site: Site) -> list[Array] | None:
        present = not attribute or site.attribute(attribute) is not None
        if present and (value is None or site.attribute(attribute) == value):
            raise PlantedOutcomeError(kind, stage, message)
        return None

    return wrong


PNNX, HALF, VULKAN, ONNX2NCNN = "pnnx.*", ".*fp16=1.*", ".*/vulkan.*", "onnx2ncnn.*"

FAULTS = (
    Fault(
        "weights shifted by one",
        "InstanceNormalization",
        _shift_by_one,
        ("InstanceNormalization",),
        "weights",
        PNNX,
        converter="pnnx",
    ),
    Fault("first weight NaN", "Gemm", _first_nan, ("Gemm",), "weights", PNNX, converter="pnnx"),
    Fault(
        "last weight lost",
        "MatMul",
        _last_lost,
        ("MatMul(other constant)",),
        "weights",
        PNNX,
        converter="pnnx",
    ),
    Fault("fp16 without padding", "PRelu", _odd_half_unpadded, ("PRelu",), "weights", HALF, "fp16=1", "pnnx"),
    Fault("row swapped", "ConvTranspose", _row_swapped, ("ConvTranspose",)),
    Fault("bias dropped", "Conv", _bias_dropped, ("Conv(B)",)),
    Fault("pads swapped", "Conv", _pads_swapped, ("Conv(pads)",)),
    Fault("batch mixed", "Softmax", _batch_mixed, ("Softmax",)),
    Fault("NaN at one element", "Exp", _nan_at_one, ("Exp",)),
    Fault("one element of a large output", "Tanh", _one_element_of_many, ("Tanh(large)",)),
    Fault("ceil_mode", "AveragePool", _when("ceil_mode", 1), ("AveragePool(ceil_mode=1)",)),
    Fault(
        "count_include_pad",
        "AveragePool",
        _when("count_include_pad", 1),
        ("AveragePool(count_include_pad=1)",),
    ),
    Fault("dilated pooling", "MaxPool", _any_above_one("dilations"), ("MaxPool(dilations)",)),
    Fault("axis 0", "Concat", _when("axis", 0), ("Concat(axis=0)",)),
    Fault("alpha ignored", "LeakyRelu", _ignored("alpha"), ("LeakyRelu(alpha)",)),
    Fault("operands swapped", "Sub", _first_constant, ("Sub(first constant)",)),
    Fault("broadcast", "Div", _broadcast, ("Div(broadcast)",)),
    Fault("Vulkan only", "Elu", _plus_one, ("Elu",), routes=VULKAN, condition="vulkan"),
    Fault(
        "fp16 only", "HardSwish", _plus_one, ("HardSwish",), routes=HALF, condition="fp16=1", converter="pnnx"
    ),
    Fault("fusion", "Add", _after("Mul"), ("Mul", "Add")),
    Fault("swish", "Mul", _swish, ("Sigmoid", "Mul")),
    Fault("axis doubled", "ReduceMean", _axis_doubled, ("ReduceMean(keepdims=0)",)),
    Fault("int64 taken for int32", "Abs", _not_float, ("Abs(int64)",)),
    Fault("rank 5 only", "Erf", _only_rank(5), ("Erf(rank=5)",)),
    Fault("negative axis", "Flatten", _when("axis", -1), ("Flatten(axis=negative)",)),
    Fault("one converter only", "Neg", _plus_one, ("Neg",), routes=ONNX2NCNN, converter="onnx2ncnn"),
    Fault(
        "crash",
        "Transpose",
        _ends(Kind.CRASH, "convert", "corrupted at 0x55d0f3 in /tmp/x1", "perm"),
        ("Transpose(perm)",),
        "crash",
        PNNX,
        converter="pnnx",
    ),
    Fault(
        "hang",
        "LogSoftmax",
        _ends(Kind.HANG, "convert", "", "axis", 0),
        ("LogSoftmax(axis)",),
        "hang",
        PNNX,
        converter="pnnx",
    ),
    Fault(
        "unknown layer",
        "DepthToSpace",
        _ends(Kind.LOAD_FAILURE, "load", "no such layer", "mode", "CRD"),
        ("DepthToSpace(mode=CRD)",),
        "load",
    ),
    Fault("nondeterminism", "Clip", _ends(Kind.NONDETERMINISM, "compare", ""), ("Clip",), "nondeterminism"),
    Fault(
        "refused",
        "Pad",
        _ends(Kind.REFUSED, "convert", "exit 7", "mode", "reflect"),
        ("Pad(mode=reflect)",),
        "refused",
        PNNX,
        converter="pnnx",
    ),
)
