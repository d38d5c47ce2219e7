"""The grounding model in PyTorch: 64x64 RGB and a phrase in, one logit per 4x4 patch out.

Every operation is one that Weft has: linear, layer norm (eps 1e-5), tanh GELU, add, gather and
scaled-dot-product attention with key lengths. ground/README.md gives the formulas.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

WIDTH = 96
HEADS = 4
SIDE = 16  # patches, both ways
PATCHES = SIDE * SIDE
PATCH_INPUTS = 48  # 4 x 4 pixels x RGB
MAX_WORDS = 16
IMAGE_LAYERS = 2
TEXT_LAYERS = 2


def linear(inputs, outputs):
    layer = nn.Linear(inputs, outputs)
    nn.init.trunc_normal_(layer.weight, std=1.0 / math.sqrt(inputs))
    nn.init.zeros_(layer.bias)
    return layer


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = linear(WIDTH, WIDTH)
        self.key = linear(WIDTH, WIDTH)
        self.value = linear(WIDTH, WIDTH)
        self.out = linear(WIDTH, WIDTH)
        with torch.no_grad():
            self.out.weight.mul_(0.5)


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = linear(WIDTH, 4 * WIDTH)
        self.down = linear(4 * WIDTH, WIDTH)
        with torch.no_grad():
            self.down.weight.mul_(0.5)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class ImageLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn_norm = nn.LayerNorm(WIDTH)
        self.attn = Attention()
        self.ffn_norm = nn.LayerNorm(WIDTH)
        self.ffn = FeedForward()
        with torch.no_grad():  # like attends to like, so near patches see each other from the start
            self.attn.query.weight.mul_(1.5)
            self.attn.key.weight.copy_(self.attn.query.weight)


class TextLayer(nn.Module):
    """Words attend to words, then to the patches, then pass a feed-forward block."""

    def __init__(self):
        super().__init__()
        self.attn_norm = nn.LayerNorm(WIDTH)
        self.attn = Attention()
        self.cross_norm = nn.LayerNorm(WIDTH)
        self.cross = Attention()
        self.ffn_norm = nn.LayerNorm(WIDTH)
        self.ffn = FeedForward()


class FuseLayer(nn.Module):
    """Patches attend to words, then pass a feed-forward block."""

    def __init__(self):
        super().__init__()
        self.cross_norm = nn.LayerNorm(WIDTH)
        self.cross = Attention()
        self.ffn_norm = nn.LayerNorm(WIDTH)
        self.ffn = FeedForward()


def sine_positions(side, width):
    """Where learned patch positions start from: half of the channels know x, half know y."""
    quarter = width // 4
    rates = 1.0 / (40.0 ** (torch.arange(quarter) / quarter))
    angles = torch.arange(side)[:, None] * rates[None]
    wave = torch.cat([angles.sin(), angles.cos()], 1)
    grid_y = wave[:, None].expand(side, side, -1)
    grid_x = wave[None].expand(side, side, -1)
    return torch.cat([grid_x, grid_y], 2).reshape(side * side, width)


class Ground(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.patch = linear(PATCH_INPUTS, WIDTH)
        self.patch_position = nn.Parameter(sine_positions(SIDE, WIDTH))
        self.word = nn.Embedding(words, WIDTH)
        self.word_position = nn.Parameter(torch.randn(MAX_WORDS, WIDTH) * 0.5)
        self.image = nn.ModuleList(ImageLayer() for _ in range(IMAGE_LAYERS))
        self.image_norm = nn.LayerNorm(WIDTH)
        self.text = nn.ModuleList(TextLayer() for _ in range(TEXT_LAYERS))
        self.text_norm = nn.LayerNorm(WIDTH)
        self.fuse = FuseLayer()
        self.score_norm = nn.LayerNorm(WIDTH)
        self.score = linear(WIDTH, 1)

    def image_tokens(self, images, maps=None):
        """images [B][64][64][3] u8 -> the patches' residual stream [B][256][96]."""
        batch = images.shape[0]
        pixels = images.float() * (2.0 / 255.0) - 1.0
        pixels = pixels.view(batch, SIDE, 4, SIDE, 4, 3).permute(0, 1, 3, 2, 4, 5)
        x = self.patch(pixels.reshape(batch, PATCHES, PATCH_INPUTS)) + self.patch_position
        for index, layer in enumerate(self.image):
            h = layer.attn_norm(x)
            q, k, v = project(layer.attn, h)
            if maps is not None:
                maps[f"image.{index}.attn"] = weights(q, k)
            x = x + layer.attn.out(join(F.scaled_dot_product_attention(q, k, v)))
            x = x + layer.ffn(layer.ffn_norm(x))
        return x

    def forward(self, images, words, lengths, maps=None):
        """words [B][P][L] ids, lengths [B][P] (0: no such phrase; its outputs mean nothing).

        Returns logits [B][P][256], the words' attention to the patches in each text layer
        [B][heads][P][L][256], and the patches' residual stream before the fusing layer.
        """
        x = self.image_tokens(images, maps)
        logits, crosses = self.ground(x, words, lengths, maps)
        return logits, crosses, x

    def ground(self, x, words, lengths, maps=None):
        batch, phrases, count = words.shape
        flat = batch * phrases
        present = torch.arange(count) < lengths.clamp(min=1)[..., None]  # [B][P][L]
        memory = self.image_norm(x)
        t = self.word(words) + self.word_position[:count]
        crosses = []
        for index, layer in enumerate(self.text):
            h = layer.attn_norm(t).view(flat, count, WIDTH)
            q, k, v = project(layer.attn, h)
            p = weights(q, k, present.view(flat, 1, 1, count))
            if maps is not None:
                maps[f"text.{index}.attn"] = p
            t = t + layer.attn.out(join(p @ v)).view(batch, phrases, count, WIDTH)
            h = layer.cross_norm(t).view(batch, phrases * count, WIDTH)
            q = split(layer.cross.query(h))
            k, v = split(layer.cross.key(memory)), split(layer.cross.value(memory))
            p = weights(q, k)
            crosses.append(p.view(batch, HEADS, phrases, count, PATCHES))
            if maps is not None:
                maps[f"text.{index}.cross"] = p
            t = t + layer.cross.out(join(p @ v)).view(batch, phrases, count, WIDTH)
            t = t + layer.ffn(layer.ffn_norm(t))
        return self.fuse_scores(x, t, present, maps), crosses

    def fuse_scores(self, x, t, present, maps):
        batch, phrases, count, _ = t.shape
        layer = self.fuse
        h = self.text_norm(t)
        q = split(layer.cross.query(layer.cross_norm(x)))  # [B][H][256][D]
        k, v = (part(h).view(batch, phrases, count, HEADS, -1).permute(0, 1, 3, 2, 4)
                for part in (layer.cross.key, layer.cross.value))  # [B][P][H][L][D]
        p = weights(q[:, None], k, present[:, :, None, None])
        if maps is not None:
            maps["fuse.cross"] = p
        o = (p @ v).transpose(2, 3).reshape(batch, phrases, PATCHES, WIDTH)
        y = x[:, None] + layer.cross.out(o)
        y = y + layer.ffn(layer.ffn_norm(y))
        return self.score(self.score_norm(y)).squeeze(-1)


def project(attention, h):
    return split(attention.query(h)), split(attention.key(h)), split(attention.value(h))


def split(x):
    """[B][N][96] -> [B][heads][N][24]"""
    return x.view(x.shape[0], x.shape[1], HEADS, -1).transpose(1, 2)


def join(x):
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], WIDTH)


def weights(q, k, present=None):
    scores = (q @ k.transpose(-1, -2)).float() * (q.shape[-1] ** -0.5)
    if present is not None:
        scores = scores.masked_fill(~present, float("-inf"))
    return scores.softmax(-1).to(q.dtype)
