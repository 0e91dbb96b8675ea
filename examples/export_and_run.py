"""A run as one file, run without PyTorch: python export_and_run.py RUN PICTURE; pip install 'vergence[export]'."""

import json
import sys
import time

import numpy as np
import onnxruntime
from PIL import Image

import vergence

run, picture = sys.argv[1], sys.argv[2]
vergence.export(run, "onnx", "model.onnx", frames=picture)  # compared with PyTorch on this picture, then written

session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
facts = json.loads(session.get_modelmeta().custom_metadata_map["vergence"])
size = (facts["size"]["width"], facts["size"]["height"])
pixels = np.asarray(Image.open(picture).convert("RGB").resize(size, Image.Resampling.LANCZOS))
start = time.perf_counter()
maps = dict(zip(facts["outputs"], session.run(None, {"images": pixels.transpose(2, 0, 1)[None]}), strict=True))
print(f"{1000 * (time.perf_counter() - start):.0f} ms at {size[0]}x{size[1]}")

for name, values in maps.items():
    print(f"{name:14} {values.shape} from {values.min():.4g} to {values.max():.4g}")
if "classes" in maps:
    print(", ".join(facts["classes"][index] for index in np.unique(maps["classes"])))

same = vergence.load("model.onnx").predict(picture)  # the same object as the run, at the picture's own size
print("depth" if same.depth is not None else "no depth", same.unit, *same.class_names)
