"""Segment an image with an exported model: ``python serving_example.py MODEL.onnx IMAGE OUT.png``.

Needs numpy, Pillow and onnxruntime, nothing else: copy it to where the model is served.
"""

import argparse
import json

import numpy as np
import onnxruntime
from PIL import Image

parser = argparse.ArgumentParser(description=__doc__)
for argument in ("model", "image", "out"):
    parser.add_argument(argument)
args = parser.parse_args()
session = onnxruntime.InferenceSession(args.model)
about = json.loads(session.get_modelmeta().custom_metadata_map["mmmaskformer"])
photo = Image.open(args.image).convert("RGB")
width, height = photo.size
if about["resize"]:
    short, long = about["resize"]["short_side"], about["resize"]["long_side"]
    factor = min(short / min(width, height), long / max(width, height))
    photo = photo.resize([int(side * factor + 0.5) for side in (width, height)], Image.Resampling.BILINEAR)
inputs = {"images": np.asarray(photo)[None]}
if about["size"] is None:
    inputs["output_size"] = np.array([height, width])
found = dict(zip(about["outputs"], session.run(None, inputs)))
colors = np.zeros((65536, 3), np.uint8)  # void stays black
colors[: len(about["palette"])] = about["palette"]
if "segment_map" in found:
    segments, classes, scores = (found[f"segment_{part}"][0] for part in ("map", "labels", "scores"))
    for row in np.flatnonzero(classes >= 0):
        print(f"{about['classes'][classes[row]]} {scores[row]:.2f}: {(segments == row).sum()} pixels")
    labels = np.where(segments >= 0, classes[segments], about["void"])
else:
    labels = found["labels"][0]
    for label, count in zip(*np.unique(labels[labels < len(about["classes"])], return_counts=True)):
        print(f"{about['classes'][label]}: {count} pixels")
Image.fromarray(colors[labels]).save(args.out)
