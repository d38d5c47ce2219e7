"""Vectors of decoder layers of transformers: text, speech and captions, and of the Q-Former."""

import torch
from torch.nn import functional as F
from transformers import (BartConfig, Blip2QFormerConfig, MarianConfig, MBartConfig, T5Config,
                          WhisperConfig, __version__)
from transformers.models.bart.modeling_bart import BartDecoderLayer
from transformers.models.blip.configuration_blip import BlipTextConfig
from transformers.models.blip.modeling_blip_text import BlipTextAttention
from transformers.models.blip_2.modeling_blip_2 import Blip2QFormerAttention
from transformers.models.marian.modeling_marian import MarianDecoderLayer
from transformers.models.mbart.modeling_mbart import MBartDecoderLayer
from transformers.models.t5.modeling_t5 import T5LayerCrossAttention
from transformers.models.whisper.modeling_whisper import WhisperDecoderLayer

import formulas
import vectors

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "out_proj"]


def source(what):
    return f"transformers {__version__} {what}"


def attended(weights, names, query, context, heads, scale=None, keep=None):
    """Attention between projections of these four names (query, key, value, out)."""
    rows = [formulas.linear(weights, name, of)
            for name, of in zip(names[:3], [query, context, context], strict=True)]
    rows = formulas.attention(*rows, heads, scale, keep)
    return formulas.linear(weights, names[3], rows)


def t5():
    prefix, heads, d_kv, d_model = "decoder.block.1.layer.1.", 3, 12, 40
    config = T5Config(d_model=d_model, d_kv=d_kv, num_heads=heads)
    layer = T5LayerCrossAttention(config, layer_idx=1)
    # Scores are not scaled: smaller projections keep them of order 1.
    small = 1.4 * d_kv**-0.25
    vectors.randomize(layer, {"Attention.q": small, "Attention.k": small})
    keep = torch.ones(2, 1, 1, 9, dtype=torch.uint8)
    keep[0, ..., 6:] = 0
    keep[1, ..., 2] = 0  # masks need not be of padding at the end

    def run(dtype, inputs):
        part = vectors.in_type(layer, dtype)
        mask = vectors.additive(inputs["keep_mask"], dtype)
        return {"output": part(inputs["query"], inputs["context"], attention_mask=mask,
                               cache_position=torch.arange(inputs["query"].shape[1]))[0]}

    def formula(weights, inputs):
        rows = formulas.rms_norm(weights, f"{prefix}layer_norm", inputs["query"], epsilon=1e-6)
        names = [f"{prefix}EncDecAttention.{part}" for part in "qkvo"]
        return {"output": inputs["query"] + attended(weights, names, rows, inputs["context"], heads,
                                                     scale=1.0, keep=inputs["keep_mask"])}

    return vectors.Vector(
        "t5", prefix, source("T5LayerCrossAttention"), vectors.published(layer, prefix),
        {"query": vectors.queries(2, 5, d_model), "context": vectors.normal(2, 9, d_model),
         "keep_mask": keep},
        run, formula, {"heads": heads})


def post_norm_decoder(family, layer, layer_source, prefix, heads, mask, extra=None):
    """BART's names and order: the norm comes after the residual."""
    vectors.randomize(layer)
    extra = extra or {}
    dim, kv_len = layer.embed_dim, 8

    def run(dtype, inputs):
        part = vectors.in_type(layer, dtype)
        keep = inputs.get("keep_mask")
        keep = vectors.kept(inputs["kv_lengths"], kv_len) if keep is None else keep
        query = inputs["query"]
        arguments = {"hidden_states": query, "encoder_hidden_states": inputs["context"],
                     "encoder_attention_mask":
                         vectors.additive(keep, dtype).expand(-1, -1, query.shape[1], -1)}
        output = vectors.call_part(part, arguments,
                                   replace={part.self_attn_layer_norm: lambda _: query},
                                   output_of=part.encoder_attn_layer_norm)
        return {"output": output}

    def formula(weights, inputs):
        names = [f"{prefix}encoder_attn.{part}" for part in PROJECTIONS]
        keep = inputs.get("keep_mask")
        if keep is None:
            keep = torch.arange(kv_len).numpy() < inputs["kv_lengths"][:, None, None, None]
        rows = attended(weights, names, inputs["query"], inputs["context"], heads, keep=keep)
        return {"output": formulas.layer_norm(weights, f"{prefix}encoder_attn_layer_norm",
                                              inputs["query"] + rows, epsilon=1e-5)}

    return vectors.Vector(
        family, prefix, layer_source,
        vectors.published(layer, prefix, ["encoder_attn"]) | extra,
        {"query": vectors.normal(2, 6, dim), "context": vectors.normal(2, kv_len, dim)} | mask,
        run, formula, {"heads": heads}, (f"{prefix}encoder_attn.k_proj.bias", *extra))


def bart():
    heads, dim = 3, 36
    layer = BartDecoderLayer(BartConfig(d_model=dim, decoder_attention_heads=heads,
                                        decoder_ffn_dim=8, attn_implementation="sdpa"), layer_idx=0)
    keep = torch.ones(2, 1, 1, 8, dtype=torch.uint8)
    keep[1, ..., 5:] = 0
    # Marian, whose layers have the same names, does not norm its embeddings.
    extra = {"model.decoder.layernorm_embedding.weight": vectors.normal(dim, std=0.25, mean=1.0)}
    return post_norm_decoder("bart", layer, source("BartDecoderLayer"), "model.decoder.layers.0.",
                             heads, {"keep_mask": keep}, extra)


def marian():
    heads, dim = 2, 28
    layer = MarianDecoderLayer(MarianConfig(d_model=dim, decoder_attention_heads=heads,
                                            decoder_ffn_dim=8, attn_implementation="sdpa"),
                               layer_idx=5)
    lengths = torch.tensor([3, 8], dtype=torch.int32)
    return post_norm_decoder("marian", layer, source("MarianDecoderLayer"),
                             "model.decoder.layers.5.", heads, {"kv_lengths": lengths})


def whisper_formula(prefix, norm, projections, heads):
    """Both namings, and mBART's layers: a norm before, no mask."""
    def formula(weights, inputs):
        rows = formulas.layer_norm(weights, prefix + norm, inputs["query"], epsilon=1e-5)
        names = [prefix + part for part in projections]
        added = attended(weights, names, rows, inputs["context"], heads)
        return {"output": inputs["query"] + added}
    return formula


def pre_norm_decoder(family, layer, layer_source, lengths, without_effect=()):
    """BART's names; the norm comes before. lengths: of query and context."""
    prefix, dim, heads = "model.decoder.layers.0.", layer.embed_dim, layer.encoder_attn.num_heads
    vectors.randomize(layer)

    def run(dtype, inputs):
        part = vectors.in_type(layer, dtype)
        arguments = {"hidden_states": inputs["query"], "encoder_hidden_states": inputs["context"]}
        nothing = {part.self_attn: lambda output: (torch.zeros_like(output[0]), None)}
        return {"output": vectors.call_part(part, arguments, replace=nothing,
                                            input_of=part.final_layer_norm)}

    # BART, whose layers have the same names, has no norm after its last layer.
    extra = {"model.decoder.layer_norm.weight": vectors.normal(dim, std=0.25, mean=1.0)}
    return vectors.Vector(
        family, prefix, layer_source, vectors.published(layer, prefix, ["encoder_attn"]) | extra,
        {"query": vectors.queries(2, lengths[0], dim),
         "context": vectors.normal(2, lengths[1], dim)}, run,
        whisper_formula(prefix, "encoder_attn_layer_norm",
                        [f"encoder_attn.{part}" for part in PROJECTIONS], heads),
        {"heads": heads}, (*(prefix + name for name in without_effect), *extra))


def whisper():
    config = WhisperConfig(d_model=36, decoder_attention_heads=3, decoder_ffn_dim=8,
                           attn_implementation="sdpa")
    return pre_norm_decoder("whisper", WhisperDecoderLayer(config, layer_idx=0),
                            source("WhisperDecoderLayer"), (5, 11))


def mbart():
    config = MBartConfig(d_model=30, decoder_attention_heads=2, decoder_ffn_dim=8,
                         attn_implementation="sdpa")
    return pre_norm_decoder("mbart", MBartDecoderLayer(config, layer_idx=0),
                            source("MBartDecoderLayer"), (6, 9), ["encoder_attn.k_proj.bias"])


def whisper_openai():
    prefix, heads, head_dim = "decoder.blocks.0.", 2, 16
    dim = heads * head_dim
    names = [f"cross_attn.{part}.weight" for part in ["query", "key", "value", "out"]]
    weights = {f"{prefix}{name}": vectors.normal(dim, dim, std=dim**-0.5) for name in names}
    for name in ["query", "value", "out"]:
        weights[f"{prefix}cross_attn.{name}.bias"] = vectors.normal(dim, std=0.25)
    weights[f"{prefix}cross_attn_ln.weight"] = vectors.normal(dim, std=0.25, mean=1.0)
    weights[f"{prefix}cross_attn_ln.bias"] = vectors.normal(dim, std=0.25)

    def run(dtype, inputs):
        # Norms and softmaxes are in fp32 whatever the rows are; other weights follow the rows.
        def linear(name, rows):
            bias = weights.get(f"{prefix}cross_attn.{name}.bias")
            return F.linear(rows, weights[f"{prefix}cross_attn.{name}.weight"].to(dtype),
                            None if bias is None else bias.to(dtype))

        def split(rows):
            return rows.unflatten(-1, (heads, head_dim)).transpose(1, 2)

        query, context = inputs["query"], inputs["context"]
        rows = F.layer_norm(query.float(), (dim,), weights[f"{prefix}cross_attn_ln.weight"],
                            weights[f"{prefix}cross_attn_ln.bias"]).to(dtype)
        q = split(linear("query", rows)) * head_dim**-0.25
        k = split(linear("key", context)) * head_dim**-0.25
        attention = (q @ k.transpose(-1, -2)).float().softmax(-1).to(dtype)
        joined = (attention @ split(linear("value", context))).transpose(1, 2).flatten(2)
        return {"output": query + linear("out", joined)}

    return vectors.Vector(
        "whisper_openai", prefix, "torch, formula of github.com/openai/whisper (whisper/model.py)",
        weights, {"query": vectors.queries(2, 4, dim), "context": vectors.normal(2, 9, dim)}, run,
        whisper_formula(prefix, "cross_attn_ln",
                        [f"cross_attn.{part}" for part in ["query", "key", "value", "out"]], heads),
        {"heads": heads})


def bert_like(family, layer, layer_source, prefix, middle, dims, heads, lengths, renamed=None,
              extra=None):
    """BERT's attention with keys and values of another width, its norm after the residual.

    middle: the module that has query, key and value. renamed: (module's part of a name, published).
    """
    vectors.randomize(layer)
    extra = extra or {}
    block = f"{prefix}crossattention."
    tensors = vectors.published(layer, block)
    if renamed:
        old, new = block + renamed[0], block + renamed[1]
        tensors = {name.replace(old, new): value for name, value in tensors.items()}

    def run(dtype, inputs):
        part = vectors.in_type(layer, dtype)
        output = part(inputs["query"], encoder_hidden_states=inputs["context"])
        return {"output": output if torch.is_tensor(output) else output[0]}

    def formula(weights, inputs):
        names = [f"{block}{middle}.{part}" for part in ["query", "key", "value"]]
        names.append(f"{block}output.dense")
        rows = attended(weights, names, inputs["query"], inputs["context"], heads)
        return {"output": formulas.layer_norm(weights, f"{block}output.LayerNorm",
                                              inputs["query"] + rows, epsilon=1e-12)}

    return vectors.Vector(
        family, prefix, layer_source, tensors | extra,
        {"query": vectors.normal(2, lengths[0], dims[0]),
         "context": vectors.normal(2, lengths[1], dims[1])},
        run, formula, {"heads": heads}, (f"{block}{middle}.key.bias", *extra))


def blip():
    config = BlipTextConfig(hidden_size=36, encoder_hidden_size=44, num_attention_heads=3)
    layer = BlipTextAttention(config, is_cross_attention=True, layer_idx=0)
    return bert_like("blip", layer, source("BlipTextAttention"),
                     "text_decoder.bert.encoder.layer.0.", "self", (36, 44), 3, (6, 10))


def q_former(dim, encoder_dim, heads):
    config = Blip2QFormerConfig(hidden_size=dim, encoder_hidden_size=encoder_dim,
                                num_attention_heads=heads)
    return Blip2QFormerAttention(config, is_cross_attention=True)


def blip2_qformer():
    return bert_like("blip2_qformer", q_former(40, 52, 2), source("Blip2QFormerAttention"),
                     "qformer.encoder.layer.0.", "attention", (40, 52), 2, (7, 9))


def blip2_qformer_lavis():
    """The same computation; transformers' checkpoints come from LAVIS' by renaming."""
    # Its feed-forward of queries, which BLIP's text layers, of the same names, lack.
    extra = {"Qformer.bert.encoder.layer.0.intermediate_query.dense.bias": vectors.normal(8)}
    return bert_like("blip2_qformer_lavis", q_former(30, 46, 3),
                     source("Blip2QFormerAttention, names of github.com/salesforce/LAVIS"),
                     "Qformer.bert.encoder.layer.0.", "self", (30, 46), 3, (5, 12),
                     renamed=("attention.", "self."), extra=extra)


FAMILIES = {"t5": t5, "bart": bart, "marian": marian, "mbart": mbart, "whisper": whisper,
            "whisper_openai": whisper_openai, "blip": blip, "blip2_qformer": blip2_qformer,
            "blip2_qformer_lavis": blip2_qformer_lavis}
