"""Reads a map file with CNTK's own reader: ``python3.6 cntk_reader.py map.txt EDGE CLASSES OUT.npz``."""

import sys

import cntk
import numpy as np
from cntk.io import ImageDeserializer, MinibatchSource, StreamDef, StreamDefs, transforms


def main(path, edge, classes, out):  # type: ignore[no-untyped-def]  # Python 3.6 runs it
    """Save pixels, dims (image, band, y, x), blue first, and labels, dims (image,)."""
    kept = transforms.scale(edge, edge, 3)
    streams = StreamDefs(
        image=StreamDef("image", transforms=[kept]), label=StreamDef("label", shape=classes)
    )
    source = MinibatchSource(ImageDeserializer(path, streams), randomize=False, max_sweeps=1)
    label, pixels, labels = cntk.input_variable(classes, is_sparse=True), [], []
    while True:
        read = source.next_minibatch(64)
        if not read:
            break
        pixels.append(read[source.streams.image].asarray().reshape(-1, 3, edge, edge))
        found = read[source.streams.label].as_sequences(label)
        labels += [int(one.toarray().argmax()) for one in found]
    np.savez(out, pixels=np.concatenate(pixels), labels=labels)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
