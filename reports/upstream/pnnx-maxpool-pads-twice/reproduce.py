"""pnnx: MaxPool with pads gives the wrong shape ([1, 1, 1, 7] instead of [1, 1, 1, 1])

output 'y' has shape [1, 1, 1, 7], expected [1, 1, 1, 1]
Route: pnnx:fp16=0/cpu. Seen with pnnx 20261020, ncnn 1.0.20261020, onnxruntime 1.32.0, onnx 1.23.2,
numpy 2.4.6, vulkan llvmpipe (LLVM 15.0.6, 256 bits); llvmpipe: Mesa 22.3.6 (LLVM 15.0.6).

Needs: pip install numpy onnx onnxruntime ncnn; pip install --no-deps pnnx
Run:   python reproduce.py
Exit:  1 the bug is there, 0 it is gone, 3 a tool is missing, 2 this script itself failed
"""

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
    import onnxruntime
    from onnx import TensorProto, helper
except ImportError as error:
    print(f"{error}; get it with: pip install numpy onnx onnxruntime ncnn")
    sys.exit(3)

SCRIPT = pathlib.Path(__file__).resolve()
HERE = SCRIPT.parent
TIMEOUT = 60  # seconds
# Lines of the converter's log that are worth showing:
NOTABLE = r"todo|ignore .*param|rror|fail|nsupport|not support|nknown (?!CPU)"
REFUSED = 10  # exit code of the child when ncnn returns an error
OPTIONS = {
    "num_threads": 1,
    "use_fp16_packed": False,
    "use_fp16_storage": False,
    "use_fp16_arithmetic": False,
    "use_bf16_packed": False,
    "use_bf16_storage": False,
    "use_vulkan_compute": False,
}
INPUTS = {
    "x": np.array([[[[1]]]], np.float32),
}
FEEDS = [
    np.ascontiguousarray(x, np.int32 if x.dtype.kind in "biu" else np.float32)
    for x in INPUTS.values()
]  # what ncnn takes
TOLERANCE = 5.37e-06  # absolute; what rounding alone may explain


def build_model():
    graph = helper.make_graph(
        [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[4, 4], pads=[0, 3, 3, 0])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1, 1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)


def judge():
    convert()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(build_model().SerializeToString(), options)
    expected = session.run(None, INPUTS)
    for form in [()]:
        wrong = run_child(*form)
        if wrong:
            print(f"BUG: ncnn {wrong}")
        elif compare(expected):
            print("gone: every output is right")
            return 0
    return 1


def compare(expected):
    """Sizes of 1 may be missing from a shape; all else must agree within the tolerance."""
    with np.load("outputs.npz") as file:
        actual = [file[key] for key in file.files]
    right = len(actual) == len(expected)
    if not right:
        print(f"BUG: {len(actual)} outputs instead of {len(expected)}")
    for output, want, got in zip(build_model().graph.output, expected, actual):
        print(f"{output.name}: expected {want.dtype}{list(want.shape)}\n{want}")
        if got.size == 0 < want.size:
            print(f"BUG: {output.name} is nothing: extract gave an empty Mat")
            right = False
            continue
        print(f"{output.name}: actual {got.dtype}{list(got.shape)}\n{got}")
        if np.squeeze(got).shape != np.squeeze(want).shape:
            print("BUG: the shape is wrong")
            right = False
            continue
        error = np.abs(got.reshape(want.shape).astype(np.float64) - want.astype(np.float64))
        if not (error <= TOLERANCE).all():
            worst = "NaN" if np.isnan(got).any() else np.max(error)
            print(f"BUG: largest difference {worst}, tolerance {np.max(TOLERANCE)}")
            right = False
    return right


def run_ncnn():
    """Load and run what pnnx wrote, fed the way its own model_ncnn.py says."""
    net = load()
    script = open("model_ncnn.py").read()
    # releases before 2026 squeeze the batch axis away instead of naming it
    fed = re.findall(
        r'ex\.input\("(\w+)", ncnn\.Mat\(\w+(?:\.squeeze\((\d+)\))?\.numpy\(\)(?:, batch_index=(\d+))?\)', script
    )
    assert len(fed) == script.count("ex.input("), "a form of model_ncnn.py that this script does not know"
    if not fed:
        print("model_ncnn.py has no ex.input: pnnx left no way to feed the network")
    outputs = []
    with net.create_extractor() as ex:
        for blob, squeezed, batch in fed:
            array = FEEDS[int(blob.removeprefix("in"))]
            if squeezed and array.shape[int(squeezed)] == 1:
                array = array.squeeze(int(squeezed))
            mat = ncnn.Mat(array, batch_index=int(batch)) if batch else ncnn.Mat(array)
            check(ex.input(blob, mat.clone()), "input", blob)
        for variable, blob in re.findall(r'_, (\w+) = ex\.extract\("(\w+)"\)', script):
            batch = re.search(rf"\b{variable}\.numpy\(batch_index=(\d+)\)", script)
            code, mat = ex.extract(blob)
            check(code, "extract", blob)
            array = mat if mat.empty() or not batch else mat.numpy(batch_index=int(batch[1]))
            outputs.append(np.zeros(0) if mat.empty() else np.array(array))
    np.savez("outputs.npz", *outputs)


def load():
    net = ncnn.Net()
    for option, value in OPTIONS.items():
        if hasattr(net.opt, option):  # older releases lack some
            setattr(net.opt, option, value)
    check(net.load_param("model.ncnn.param"), "load_param", "model.ncnn.param")
    check(net.load_model("model.ncnn.bin"), "load_model", "model.ncnn.bin")
    return net


def check(code, step, name):
    if code != 0:
        print(f"ncnn refuses: {step} of {name} returned {code}")
        leave(REFUSED)


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
        try:
            run_ncnn(*sys.argv[2:])
        except (RuntimeError, ValueError) as error:  # what ncnn's Python binding raises
            print(f"ncnn refuses: {error}")
            leave(REFUSED)
        leave(0)
    try:
        sys.exit(main())
    except Exception:
        traceback.print_exc()
        sys.exit(2)
