"""Trains the grounding model, measures it, and writes its parity vectors.

  weft_scenes -n 160000 --seed 1000000 --split train --raw train.raw
  weft_scenes -n 2000 --seed 5000000 --split train --raw validation.raw
  weft_scenes -n 4000 --seed 1 --split held-out --raw held_out.raw
  python train.py --data train.raw --validation validation.raw --weights weft_ground.safetensors
  python train.py --evaluate held_out.raw --weights weft_ground.safetensors
  python train.py --vectors ground.safetensors --evaluate held_out.raw --weights ...
"""

import argparse
import datetime
import math
import multiprocessing
import os
import sys
import time

import numpy as np
import torch
import torch.distributed
import torch.nn.functional as F
from torch import nn

import tensors
from data import NONE, OBJECTS, Batch, measure, open_scenes, upsample
from model import WIDTH, Ground

VOCABULARY = ("the small large red green blue yellow magenta cyan circle square triangle cross "
              "ring star shape left right above below of").split()
FORMAT = "weft-ground-1"
THRESHOLDS = [0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7]


class PatchTeacher(nn.Module):
    """Only while training: what stands on a patch, read from the image encoder by linear heads."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.heads = nn.Linear(WIDTH, 1 + 6 + 6 + 2)

    def forward(self, x):
        return self.heads(self.norm(x)).float().split([1, 6, 6, 2], -1)


def teacher_loss(teacher, x, batch, coverage):
    covered, owner = coverage.max(1)  # [B][256]
    some, *kinds = teacher(x)
    loss = F.binary_cross_entropy_with_logits(some.squeeze(-1), coverage.sum(1))
    on_object = covered > 0.2
    for column, logits in enumerate(kinds):
        wanted = torch.take_along_dim(batch.objects[..., column], owner, 1)[on_object]
        loss = loss + 0.3 * F.cross_entropy(logits[on_object], wanted)
    return loss


def score_loss(logits, batch, coverage):
    """Pixel cross-entropy and dice of the upsampled map, and cross-entropy per patch."""
    real = batch.lengths > 0
    logits = logits.float()[real]
    wanted = torch.take_along_dim(coverage, batch.referents[..., None], 1)[real]
    per_patch = F.binary_cross_entropy_with_logits(logits, wanted)
    masks = batch.masks()[real].float()
    full = upsample(logits.sigmoid()).clamp(1e-5, 1.0 - 1e-5)
    per_pixel = F.binary_cross_entropy(full, masks)
    dice = 1.0 - (2.0 * (full * masks).sum((1, 2)) + 1.0) / (
        full.sum((1, 2)) + masks.sum((1, 2)) + 1.0)
    return 4.0 * per_patch + 4.0 * per_pixel + dice.mean()


def attention_loss(crosses, batch, coverage):
    """Pulls the head mean of each attribute word towards the object the word speaks of.

    In the first layer only for words whose object needs no relation to be found.
    """
    target = coverage / coverage.sum(-1, keepdim=True).clamp(min=1e-6)  # [B][objects][256]
    is_attribute = (batch.word_objects != NONE) & (batch.lengths[..., None] > 0)
    is_direct = is_attribute & ((batch.relations[..., None] == 0) |
                                (batch.word_objects != batch.referents[..., None]))
    flat = batch.word_objects.clamp(max=OBJECTS - 1).flatten(1)  # [B][P*L]
    wanted = torch.take_along_dim(target, flat[..., None], 1).view(*batch.words.shape, -1)
    losses = []
    for cross, chosen in zip(crosses, (is_direct, is_attribute)):
        mean = cross.float().mean(1)  # [B][P][L][256]
        entropy = -(wanted[chosen] * (mean[chosen] + 1e-6).log()).sum(-1)
        losses.append(entropy.mean())
    return 0.5 * losses[0] + losses[1]


def export(model, path, metadata):
    arrays = {name: value.detach().float().numpy() for name, value in model.state_dict().items()}
    temporary = path + ".part"
    tensors.save(temporary, arrays, metadata)
    os.replace(temporary, path)


def load_model(path):
    arrays, metadata = tensors.load(path)
    model = Ground(len(metadata["vocabulary"].split()))
    model.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    return model.eval(), metadata


@torch.no_grad()
def evaluate(model, records, size=50):
    """Metrics of every phrase, by name; iou has a column per entry of THRESHOLDS."""
    rows = {}
    for begin in range(0, len(records), size):
        batch = Batch(records[begin:begin + size])
        real = batch.lengths > 0
        masks = batch.masks()[real]
        logits, crosses, _ = model(batch.images, batch.words, batch.lengths)
        found = measure(logits[real].sigmoid(), masks, THRESHOLDS)
        found["relation"] = (batch.relations[real] > 0).float()
        attribute = (batch.word_objects == batch.referents[..., None]) & real[..., None]
        other = (batch.word_objects != NONE) & ~attribute & real[..., None]
        mean = crosses[-1].mean(1)
        per_word = masks_by_word(batch)
        for name, chosen in (("word", attribute), ("reference word", other)):
            if chosen.any():
                words = measure(mean[chosen], per_word[chosen], [0.5])
                found[f"{name} pointing"], found[f"{name} mass"] = words["pointing"], words["mass"]
        for name, value in found.items():
            rows.setdefault(name, []).append(value)
    return {name: torch.cat(values) for name, values in rows.items()}


def masks_by_word(batch):
    """[B][P][L][64][64]: the pixels of the object each word speaks of."""
    return batch.labels[:, None, None] == (batch.word_objects + 1)[..., None, None]


def report(rows, threshold):
    at = THRESHOLDS.index(threshold)
    parts = [f"pointing {rows['pointing'].mean():.4f}", f"centre {rows['centre'].mean():.4f}",
             f"iou@{threshold} {rows['iou'][:, at].mean():.4f}", f"mass {rows['mass'].mean():.4f}"]
    for value, name in ((0, "plain"), (1, "relation")):
        chosen = rows["relation"] == value
        if chosen.any():
            parts.append(f"{name} {rows['pointing'][chosen].mean():.4f}"
                         f"/{rows['iou'][chosen, at].mean():.4f}")
    for name in ("word pointing", "word mass", "reference word pointing", "reference word mass"):
        if name in rows:
            parts.append(f"{name} {rows[name].mean():.4f}")
    return " ".join(parts)


def learning_rate(step, options):
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < options.warm_up:
        return options.rate * (step + 1) / options.warm_up
    part = (step - options.warm_up) / max(1, options.steps - options.warm_up)
    return options.rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * part)))


def train_step(model, teacher, batch, step, options):
    coverage = batch.coverage()
    with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
        if step < options.image_steps:
            x = model.image_tokens(batch.images)
        else:
            logits, crosses, x = model(batch.images, batch.words, batch.lengths)
    losses = {"teacher": teacher_loss(teacher, x.float(), batch, coverage)}
    if step >= options.image_steps:
        losses["score"] = score_loss(logits, batch, coverage)
        losses["attention"] = 0.15 * attention_loss(crosses, batch, coverage)
    sum(losses.values()).backward()
    return {name: value.item() for name, value in losses.items()}


def join_workers(rank, options):
    """Each worker is one process with one thread: they meet once a step, not once an operation."""
    torch.set_num_threads(1)
    if options.workers > 1:
        torch.distributed.init_process_group(
            "gloo", rank=rank, world_size=options.workers, timeout=datetime.timedelta(hours=12),
            init_method=f"tcp://127.0.0.1:{options.port}")


@torch.no_grad()
def share_gradients(parameters, options):
    """Replaces the gradients by their mean over all workers."""
    if options.workers == 1:
        return
    with_gradient = [p for p in parameters if p.grad is not None]
    flat = torch.cat([p.grad.flatten() for p in with_gradient])
    torch.distributed.all_reduce(flat)
    flat /= options.workers
    for p, part in zip(with_gradient, flat.split([p.numel() for p in with_gradient])):
        p.grad.copy_(part.view_as(p))


def train(rank, options):
    join_workers(rank, options)
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    records, validation = open_scenes(options.data), open_scenes(options.validation)
    model, average, teacher = Ground(len(VOCABULARY)), Ground(len(VOCABULARY)), PatchTeacher()
    average.load_state_dict(model.state_dict())
    modules = nn.ModuleList([model, teacher])
    decayed = [p for p in modules.parameters() if p.ndim == 2]
    others = [p for p in modules.parameters() if p.ndim != 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.03}, {"params": others, "weight_decay": 0.0}],
        betas=(0.9, 0.98), fused=True)
    first = 0
    if options.resume:
        state = torch.load(options.resume)
        modules.load_state_dict(state["modules"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    metadata = {"format": FORMAT, "vocabulary": " ".join(VOCABULARY), "threshold": "0.5",
                "seed": str(options.seed)}
    order, started, sums = rng.permutation(len(records)), time.time(), {}
    for step in range(first, options.steps):
        begin = (step * options.workers + rank) * options.batch % (len(records) - options.batch)
        chosen = records[np.sort(order[begin:begin + options.batch])]
        batch = Batch(chosen, options.phrases, rng)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options)
        optimizer.zero_grad(set_to_none=True)
        for name, value in train_step(model, teacher, batch, step, options).items():
            sums.setdefault(name, []).append(value)
        share_gradients(list(modules.parameters()), options)
        nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
        optimizer.step()
        blend(average, model, min(0.998, (step + 1) / (step + 20)))
        done = step + 1
        if rank != 0:
            continue
        if done % 50 == 0 or done == options.steps:
            means = " ".join(f"{name} {np.mean(values):.4f}" for name, values in sums.items())
            speed = options.workers * options.batch * (done - first) / (time.time() - started)
            print(f"step {done} {means} scenes/s {speed:.1f}", flush=True)
            sums = {}
        if done % options.every == 0 or done == options.steps:
            last = done == options.steps
            if done > options.image_steps:
                rows = evaluate(average, validation[:len(validation) if last else 200])
                best = THRESHOLDS[int(rows["iou"].mean(0).argmax())]
                metadata.update(threshold=str(best), steps=str(done))
                print(f"step {done} validation {report(rows, best)}", flush=True)
            export(average, options.weights, metadata)
            if options.checkpoint:
                torch.save({"modules": modules.state_dict(), "average": average.state_dict(),
                            "optimizer": optimizer.state_dict(), "step": done}, options.checkpoint)


@torch.no_grad()
def blend(average, model, decay):
    for mean, value in zip(average.parameters(), model.parameters()):
        mean.lerp_(value, 1.0 - decay)


def main():
    parser = argparse.ArgumentParser(description="Trains and measures the grounding model.")
    parser.add_argument("--data", help="raw scenes to train on")
    parser.add_argument("--validation", help="raw scenes of the training distribution")
    parser.add_argument("--weights", required=True, help="safetensors file, written or read")
    parser.add_argument("--evaluate", nargs="+", default=[], help="raw scenes to measure on")
    parser.add_argument("--vectors", help="write parity vectors here, from the --evaluate scenes")
    parser.add_argument("--checkpoint", help="file for everything a later --resume needs")
    parser.add_argument("--resume", help="go on from this checkpoint")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--image-steps", type=int, default=1000,
                        help="first train the image encoder alone for so many of the steps")
    parser.add_argument("--batch", type=int, default=24, help="scenes per worker and step")
    parser.add_argument("--phrases", type=int, default=4, help="phrases per scene")
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--warm-up", type=int, default=300)
    parser.add_argument("--every", type=int, default=500, help="steps between exports")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="training processes")
    parser.add_argument("--port", type=int, default=29471, help="where the workers meet")
    parser.add_argument("--threads", type=int, default=2, help="for everything but training")
    parser.add_argument("--bfloat16", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    if options.data:
        if not options.validation:
            parser.error("--data needs --validation")
        others = [multiprocessing.Process(target=train, args=(rank, options), daemon=True)
                  for rank in range(1, options.workers)]
        for other in others:
            other.start()
        train(0, options)
        return 0
    torch.set_num_threads(options.threads)
    model, metadata = load_model(options.weights)
    if options.vectors:
        from vectors import write_vectors
        write_vectors(options.vectors, model, metadata, [open_scenes(p) for p in options.evaluate])
        return 0
    for path in options.evaluate:
        rows = evaluate(model, open_scenes(path))
        print(f"{path}: {len(rows['mass'])} phrases: {report(rows, float(metadata['threshold']))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
