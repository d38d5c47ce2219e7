"""Parity vectors: what the exported weights give for 16 fixed scenes, with every attention."""

import numpy as np
import torch

import tensors
from data import Batch
from model import IMAGE_LAYERS, PATCHES, SIDE, TEXT_LAYERS

SCENES = 16
# Words of each scene's phrase; taken in turn from the files given.
LENGTHS = [3, 2, 4, 3, 6, 5, 7, 6, 8, 7, 9, 8, 10, 10, 4, 9]


def fixed_point(weights):
    """u16: the weight times 65535, rounded."""
    return np.round(weights.double().numpy() * 65535.0).astype("<u2")


def find_phrase(records, begin, length):
    """The first scene from `begin` on with a phrase of that many words: (scene, phrase)."""
    lengths = np.asarray(records["phrases"]["length"][begin:begin + 2000])
    scene, phrase = np.argwhere(lengths == length)[0]
    return begin + int(scene), int(phrase)


@torch.no_grad()
def write_vectors(path, model, metadata, files):
    arrays, notes = {}, {"format": metadata["format"], "vocabulary": metadata["vocabulary"]}
    next_scene = [0] * len(files)
    words = metadata["vocabulary"].split()
    for s in range(SCENES):
        which = s % len(files)
        scene, phrase = find_phrase(files[which], next_scene[which], LENGTHS[s])
        next_scene[which] = scene + 1
        batch = Batch(files[which][scene:scene + 1])
        length = int(batch.lengths[0, phrase])
        ids = batch.words[:, phrase:phrase + 1, :length]  # no padding
        maps = {}
        logits, _, _ = model(batch.images, ids, batch.lengths[:, phrase:phrase + 1], maps)
        name = f"s{s:02d}"
        notes[f"{name}.text"] = " ".join(words[i] for i in ids.flatten().tolist())
        arrays[f"{name}.image"] = batch.images[0].numpy()
        arrays[f"{name}.words"] = ids.flatten().numpy().astype("<i4")
        arrays[f"{name}.logits"] = logits.flatten().numpy()
        for i in range(IMAGE_LAYERS):
            rows = maps[f"image.{i}.attn"][0, :, s::SIDE]
            arrays[f"{name}.image.{i}.attn"] = fixed_point(rows)
        for i in range(TEXT_LAYERS):
            arrays[f"{name}.text.{i}.attn"] = maps[f"text.{i}.attn"][0].numpy()
            arrays[f"{name}.text.{i}.cross"] = fixed_point(maps[f"text.{i}.cross"][0])
        fuse = maps["fuse.cross"][0, 0]
        assert fuse.shape[1:] == (PATCHES, length)
        arrays[f"{name}.fuse.cross"] = fixed_point(fuse)
    tensors.save(path, arrays, notes)
