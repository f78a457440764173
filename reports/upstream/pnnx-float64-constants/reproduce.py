"""pnnx: constant with float64 loses weights

MemoryData 'w' holds ONNX constant 'w' float64[2] = [1.0, 2.0], whose float64 bytes ncnn reads as
float32; ncnn reads 8 of the file's 16 bytes: 8 are never read
Route: pnnx:fp16=0/cpu. Seen with pnnx 20261020, ncnn 1.0.20261020, onnxruntime 1.32.0, onnx 1.23.2,
numpy 2.4.6, vulkan llvmpipe (LLVM 15.0.6, 256 bits); llvmpipe: Mesa 22.3.6 (LLVM 15.0.6).

Needs: pip install numpy onnx onnxruntime ncnn; pip install --no-deps pnnx
Run:   python reproduce.py
Exit:  1 the bug is there, 0 it is gone, 3 a tool is missing, 2 this script itself failed
"""

import ctypes
import importlib.metadata
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

try:
    import ncnn
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    print(f"{error}; get it with: pip install numpy onnx onnxruntime ncnn")
    sys.exit(3)

SCRIPT = pathlib.Path(__file__).resolve()
HERE = SCRIPT.parent
TIMEOUT = 60  # seconds
# Lines of the converter's log that are worth showing:
NOTABLE = r"todo|ignore .*param|rror|fail|nsupport|not support|nknown (?!CPU)"
REFUSED = 10  # exit code of the child when ncnn returns an error
WATCHED = ["w"]  # weights that must reach ncnn


def build_model():
    graph = helper.make_graph(
        [helper.make_node("Mod", ["x", "w"], ["y"], fmod=1)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [1])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [2])],
        initializer=[numpy_helper.from_array(np.array([1, 2], np.float64), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)


def judge():
    convert()
    wrong = run_child()
    if wrong:
        print(f"BUG: ncnn {wrong} while reading the weights")
    faulty = bool(wrong) or os.path.exists("faulty")
    if not faulty:
        print("gone: ncnn reads every weight as the model has it")
    return int(faulty)


class Reader(ncnn.DataReader):
    """Hands out the .bin and remembers how far ncnn came."""

    def __init__(self, data):
        super().__init__()
        self.data, self.at, self.short = data, 0, False

    def read(self, buffer, size):
        part = self.data[self.at : self.at + size]
        ctypes.memmove(ctypes.pythonapi.PyCapsule_GetPointer(buffer, None), part, len(part))
        self.at, self.short = self.at + len(part), self.short or len(part) < size
        return len(part)


class Bin(ncnn.ModelBinFromDataReader):
    """Notes every weight as ncnn decoded it."""

    def __init__(self, reader):
        super().__init__(reader)
        self.reader, self.blobs = reader, []

    def load(self, count, kind):
        start = self.reader.at
        mat = super().load(count, kind)
        self.blobs.append(np.zeros(0, np.float32) if mat.empty() else np.array(mat).ravel())
        print(f"  bytes {start:4} to {self.reader.at:4}: {count} values {self.blobs[-1][:8]}")
        return mat


def run_ncnn():
    """Let each ncnn layer read its weights and look at what it got."""
    ctypes.pythonapi.PyCapsule_GetPointer.restype = ctypes.c_void_p
    ctypes.pythonapi.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    reader = Reader(open("model.ncnn.bin", "rb").read())
    weights = Bin(reader)
    for line in open("model.ncnn.param").read().splitlines()[2:]:
        kind, name, bottoms, tops, *rest = line.split()
        params = ncnn.ParamDict()
        for key, value in (item.split("=") for item in rest[int(bottoms) + int(tops) :]):
            if int(key) >= 0:  # arrays never say how many weights there are
                params.set(int(key), float(value) if re.search("[.e]", value) else int(value))
        layer = ncnn.create_layer(kind)
        print(f"{kind} {name}")
        if layer is None or layer.load_param(params) or layer.load_model(weights):
            print("  ncnn can't load this layer")
            break
    faults = []
    if reader.short or reader.at != len(reader.data):
        more = " and wants more" if reader.short else ""
        faults.append(f"ncnn reads {reader.at} bytes{more}, the .bin has {len(reader.data)}")
    graph = build_model().graph
    constants = {t.name: numpy_helper.to_array(t).ravel() for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t).ravel()
    integers = [c.astype(np.int32).tobytes() for c in constants.values() if c.dtype.kind in "iu"]
    if any(not np.isfinite(blob).all() and blob.tobytes() not in integers for blob in weights.blobs):
        faults.append("ncnn reads weights that are NaN or infinite; the model has none")
    for name in WATCHED:
        want = np.sort(constants[name])  # sorted: a converter may permute a weight's axes
        blobs = [np.sort(blob) for blob in weights.blobs if blob.size == want.size]
        if not any(np.allclose(blob, want, rtol=1e-6, atol=0) for blob in blobs):
            faults.append(f"no ncnn layer reads the weight {name!r} with its values {constants[name][:8]}")
    for fault in faults:
        print("BUG:", fault)
        open("faulty", "w").close()


def leave(code):
    """End this child at once, past any native clean-up."""
    sys.stdout.flush()
    os._exit(code)


def run_child(*form):
    """Run this script again as a child: native crashes and hangs happen there. Returns what went wrong."""
    command = [sys.executable, str(SCRIPT), "child", *form]
    try:
        child = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"hung: no end after {TIMEOUT} s"
    print(child.stdout, child.stderr, sep="", end="")
    if child.returncode < 0:
        return f"crashed: signal {-child.returncode} ({signal.Signals(-child.returncode).name})"
    if child.returncode not in (0, REFUSED):
        sys.exit(3 if child.returncode == 3 else 2)
    return "refused" if child.returncode else ""


def convert():
    onnx.save(build_model(), "model.onnx")
    command = [find_converter(), "model.onnx", "fp16=0"]
    print("$", *command)
    run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT)
    log = (run.stdout + run.stderr).splitlines()
    print(*(line for line in log if re.search(NOTABLE, line)), f"exit status {run.returncode}", sep="\n")
    return run


def find_converter():
    """$PNNX, or the binary in the pnnx wheel (not imported: that would want torch), or PATH."""
    try:
        wheel = [f.locate() for f in importlib.metadata.files("pnnx") if f.name in ("pnnx", "pnnx.exe")]
    except importlib.metadata.PackageNotFoundError:
        wheel = []
    for path in (os.environ.get("PNNX"), *wheel, shutil.which("pnnx")):
        if path and os.path.isfile(path) and open(path, "rb").read(2) != b"#!":  # no Python launcher
            return path
    missing("pnnx", "pip install --no-deps pnnx")


def missing(tool, command):
    print(f"{tool} is missing; get it with: {command}")
    sys.exit(3)


def stored_model():
    model = onnx.load(HERE / "model.onnx")
    return model


def main():
    if build_model() != stored_model():
        print("build_model() no longer yields model.onnx")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        return judge()


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        run_ncnn()
        leave(0)
    try:
        sys.exit(main())
    except Exception:
        traceback.print_exc()
        sys.exit(2)
