"""Reads the raw records of weft_scenes, and the metrics of the grounding model."""

import numpy as np
import torch

IMAGE = 64
PHRASES = 6
WORDS = 16
NONE = 255
OBJECTS = 4

RECORD = np.dtype([
    ("image", "u1", (IMAGE, IMAGE, 3)),
    ("labels", "u1", (IMAGE, IMAGE)),
    ("object_count", "u1"),
    ("phrase_count", "u1"),
    ("objects", "u1", (OBJECTS, 3)),  # shape, colour, size
    ("phrases", [("length", "u1"), ("referent", "u1"), ("relation", "u1"), ("reference", "u1"),
                 ("words", "u1", (WORDS,)), ("word_objects", "u1", (WORDS,))], (PHRASES,)),
])


def open_scenes(path):
    with open(path, "rb") as file:
        if file.read(8) != b"WEFTSCN1":
            raise SystemExit(f"{path}: not a raw scene file")
    return np.memmap(path, dtype=RECORD, mode="r", offset=8)


class Batch:
    """Tensors of some records; phrases beyond `phrases` are dropped (a random choice if rng)."""

    def __init__(self, records, phrases=PHRASES, rng=None):
        self.images = torch.from_numpy(records["image"].copy())
        self.labels = torch.from_numpy(records["labels"].copy())
        self.objects = torch.from_numpy(records["objects"].astype(np.int64))
        chosen = records["phrases"]
        if rng is not None:
            keys = rng.random((len(records), PHRASES)) + 10.0 * (chosen["length"] == 0)
            order = np.argsort(keys, 1)[:, :phrases]
            chosen = np.take_along_axis(chosen, order, 1)
        else:
            chosen = chosen[:, :phrases]
        longest = int(chosen["length"].max())
        as_long = lambda a: torch.from_numpy(a.astype(np.int64))
        self.lengths = as_long(chosen["length"])
        self.words = as_long(chosen["words"][..., :longest])
        self.word_objects = as_long(chosen["word_objects"][..., :longest])  # NONE: none
        self.referents = as_long(chosen["referent"])
        self.relations = as_long(chosen["relation"])

    def masks(self):
        """[B][P][64][64] bool: the referents' pixels."""
        return self.labels[:, None] == (self.referents + 1)[..., None, None]

    def coverage(self):
        """[B][objects][256]: the part of each patch that each object covers."""
        wanted = torch.arange(1, OBJECTS + 1)[None, :, None, None]
        inside = (self.labels[:, None] == wanted).float()
        return torch.nn.functional.avg_pool2d(inside, 4).flatten(2)


def upsampling(side=16, factor=4):
    """[64][16]: bilinear, half-pixel centres, clamped at the edges."""
    matrix = torch.zeros(side * factor, side)
    for i in range(side * factor):
        at = min(max((i + 0.5) / factor - 0.5, 0.0), side - 1.0)
        low = min(int(at), side - 2)
        matrix[i, low] += 1.0 - (at - low)
        matrix[i, low + 1] += at - low
    return matrix


UPSAMPLE = upsampling()


def upsample(maps):
    """[...][256] -> [...][64][64]"""
    return UPSAMPLE @ maps.reshape(*maps.shape[:-1], 16, 16) @ UPSAMPLE.T


def measure(scores, masks, thresholds):
    """Per-phrase metrics of patch scores [N][256] in [0, 1] against pixel masks [N][64][64]."""
    full = upsample(scores)
    count = len(scores)
    peak = full.flatten(1).argmax(1)
    hit = masks.flatten(1)[torch.arange(count), peak].float()
    patch = scores.argmax(1)
    centre = (patch // 16 * 4 + 2) * IMAGE + patch % 16 * 4 + 2
    centre_hit = masks.flatten(1)[torch.arange(count), centre].float()
    mass = (full * masks).sum((1, 2)) / full.sum((1, 2)).clamp(min=1e-12)
    ious = []
    for threshold in thresholds:
        found = full >= threshold
        both = (found & masks).sum((1, 2)).float()
        ious.append(both / (found | masks).sum((1, 2)).float())
    return {"pointing": hit, "centre": centre_hit, "mass": mass, "iou": torch.stack(ious, 1)}
