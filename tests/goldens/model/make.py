"""Cuts the committed golden v3-tiny/ out of ../shared/reference/model/v3-tiny (transformers 4.35.2, PyTorch 2.13 CPU, seeded, dropout 0).

The weights and inputs are copied; of the expectations only the float64 ones are kept (float32 is held to them with 1e-5), in two files below 320 KB:
logits, loss and hidden states; gradients of every parameter but the word embeddings. Standard library only: python3 make.py
"""
import json
import pathlib
import shutil
import struct

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[3] / "shared" / "reference" / "model" / "v3-tiny"
TARGET = HERE / "v3-tiny"


def read(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {name: (entry, data[8 + length + entry["data_offsets"][0] : 8 + length + entry["data_offsets"][1]]) for name, entry in header.items()}


def write(path, tensors):
    header, begin = {}, 0
    for name, (entry, raw) in sorted(tensors.items()):
        header[name] = {"dtype": entry["dtype"], "shape": entry["shape"], "data_offsets": [begin, begin + len(raw)]}
        begin += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(raw for _, (_, raw) in sorted(tensors.items())))


TARGET.mkdir(exist_ok=True)
for name in ("config.json", "model.safetensors", "inputs.safetensors"):
    shutil.copyfile(SOURCE / name, TARGET / name)
expected = read(SOURCE / "expected_f64.safetensors")
gradients = {name for name in expected if name.startswith("grad.")}
write(TARGET / "expected_f64.safetensors", {name: expected[name] for name in expected.keys() - gradients})
write(TARGET / "gradients_f64.safetensors", {name: expected[name] for name in gradients if "word_embeddings" not in name})
