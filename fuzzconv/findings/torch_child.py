"""Runs a ``*_pnnx.py`` under torch, in a process of its own: ``python torch_child.py DIRECTORY``.

Started by path with an interpreter that has torch, so it uses torch, numpy and the standard library alone.
``DIRECTORY`` holds ``model_pnnx.py``, its ``.bin`` and ``input_0.npy`` …; ``output_0.npy`` … are left there.
"""

import os
import runpy
import sys
from importlib import import_module
from pathlib import Path

NO_TORCH = 3
REFUSED = 4


def main(directory: Path) -> int:
    """Run the script's model once; returns 0, ``NO_TORCH``, or ``REFUSED``: torch won't take an operator."""
    try:
        import numpy as np

        torch = import_module("torch")
    except ImportError as error:
        print(error, file=sys.stderr)
        return NO_TORCH
    os.chdir(directory)
    network = runpy.run_path("model_pnnx.py")["Model"]()
    network.float()
    network.eval()
    count = len(list(directory.glob("input_*.npy")))
    inputs = [torch.from_numpy(np.load(f"input_{i}.npy")) for i in range(count)]
    try:
        with torch.no_grad():
            outputs = network(*inputs)
    except (TypeError, ValueError) as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return REFUSED
    for i, output in enumerate(outputs if isinstance(outputs, tuple | list) else [outputs]):
        np.save(f"output_{i}.npy", output.numpy())
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
