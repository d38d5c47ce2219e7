#include "reference/fusion.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "reference/attention.hpp"
#include "reference/calls.hpp"
#include "reference/ops.hpp"

namespace weft::reference {
namespace {

// Any array of rows as [1, 1, all rows, dim], and back.
Array all_rows(Array rows) {
  rows.shape = {1, 1, rows.shape[0] * rows.shape[1] * rows.shape[2], rows.shape[3]};
  return rows;
}
Array shaped(Array rows, const std::array<int64_t, 4>& like) {
  rows.shape = {like[0], like[1], like[2], rows.shape[3]};
  return rows;
}

// [1, batch, length, heads * dim] as [batch, heads, length, dim], and back.
Array split_heads(const Array& rows, int64_t heads) {
  const int64_t dim = rows.shape[3] / heads;
  Array result(rows.shape[1], heads, rows.shape[2], dim);
  for (int64_t b = 0; b < rows.shape[1]; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < rows.shape[2]; ++i)
        std::copy_n(rows.row(0, b, i) + h * dim, dim, result.row(b, h, i));
  return result;
}
Array joined_heads(const Array& split) {
  const int64_t dim = split.shape[3];
  Array result(1, split.shape[0], split.shape[2], split.shape[1] * dim);
  for (int64_t b = 0; b < split.shape[0]; ++b)
    for (int64_t h = 0; h < split.shape[1]; ++h)
      for (int64_t i = 0; i < split.shape[2]; ++i)
        std::copy_n(split.row(b, h, i), dim, result.row(0, b, i) + h * dim);
  return result;
}

Array plus(const Array& left, const Array& right) {
  const Array rows = all_rows(left);
  return shaped(add(&rows, all_rows(right), rows.shape[2], {}).output, left.shape);
}

// Rows begin to begin + length of every item; zeros where there are none.
Array rows_from(const Array& rows, int64_t batch, int64_t begin, int64_t length) {
  Array part(1, 1, length, rows.shape[3]);
  for (int64_t i = 0; i < length; ++i)
    if (begin + i < rows.shape[2])
      std::copy_n(rows.row(0, batch, begin + i), rows.shape[3], part.row(0, 0, i));
  return part;
}

// The rows of `left` with those of `right` behind them, item by item.
Array behind(const Array& left, const Array& right, int64_t batch) {
  Array both(1, batch, left.shape[2] + right.shape[2], left.shape[3]);
  for (int64_t b = 0; b < batch; ++b) {
    std::copy_n(left.row(0, b, 0), left.shape[2] * left.shape[3], both.row(0, b, 0));
    std::copy_n(right.row(0, b, 0), right.shape[2] * right.shape[3], both.row(0, b, left.shape[2]));
  }
  return both;
}

std::vector<int32_t> numbers(const Array& array) {
  return {array.values.begin(), array.values.end()};
}

AttentionInputs inputs_of(const Fusion& fusion, const AttentionCall& call) {
  AttentionInputs in;
  in.scale = call.scale;
  in.softcap = call.softcap;
  if (call.keep_mask) in.keep_mask = fusion.read(call.keep_mask);
  if (call.drop_mask) in.drop_mask = fusion.read(call.drop_mask);
  if (call.bias) in.bias = fusion.read(call.bias);
  if (call.kv_lengths) in.kv_lengths = numbers(fusion.read(call.kv_lengths));
  in.causal = call.causal;
  in.position_offset = call.position_offset;
  in.window_left = call.window_left;
  in.window_right = call.window_right;
  if (call.sinks) in.sinks = fusion.read(call.sinks).values;
  if (call.null_key) in.null_key = fusion.read(call.null_key);
  if (call.null_value) in.null_value = fusion.read(call.null_value);
  const auto regions = [&](const Tensor& ids) {
    Array array = fusion.read(ids);
    array.shape = {array.shape[2], 1, 1, array.shape[3]};
    return array;
  };
  if (call.query_regions) in.query_regions = regions(call.query_regions);
  if (call.key_regions) in.key_regions = regions(call.key_regions);
  if (call.region_mask) in.region_mask = fusion.read(call.region_mask);
  return in;
}

}  // namespace

Array Fusion::read(const Tensor& tensor) const {
  const auto bytes = cases::buffer_bytes(device_, tensor);
  if (!bytes) std::abort();
  return cases::decode(*bytes, {.dtype = tensor.dtype,
                                .shape = tensor.shape,
                                .strides = tensor.strides,
                                .offset_bytes = tensor.offset_bytes,
                                .buffer_bytes = bytes->size()});
}

Array Fusion::keep(Array rows) const {
  if (rounds_)
    for (double& value : rows.values) value = cases::round_to(rounded_, value);
  return rows;
}

Array Fusion::normed(const Norm& norm, const Array& rows) const {
  if (norm.kind == NormKind::none) return rows;
  const Array weight = norm.weight ? read(norm.weight) : Array();
  const Array bias = norm.bias ? read(norm.bias) : Array();
  const auto formula = norm.kind == NormKind::layer ? layer_norm : rms_norm;
  const Array result = formula(all_rows(rows), norm.weight ? &weight : nullptr,
                               norm.bias ? &bias : nullptr, norm.epsilon)
                           .output;
  return keep(shaped(result, rows.shape));
}

Array Fusion::projected(const Projection& projection, const Array& rows,
                        Activation activation) const {
  if (!projection.weight) return rows;
  const Array bias = projection.bias ? read(projection.bias) : Array();
  const Array result =
      linear(all_rows(rows), read(projection.weight), projection.bias ? &bias : nullptr, activation)
          .output;
  return keep(shaped(result, rows.shape));
}

Array Fusion::head_normed(const Norm& norm, const Array& rows, int64_t heads, bool across) const {
  return across ? normed(norm, rows) : joined_heads(normed(norm, split_heads(rows, heads)));
}

Array Fusion::queries(const CrossAttentionBlock& block, const Array& normed, const Tensor& position,
                      const Tensor& angles) const {
  const Array placed = position ? keep(plus(normed, read(position))) : normed;
  const Array rows = head_normed(block.query_head_norm, projected(block.query, placed), block.heads,
                                 block.norm_across_heads);
  const Array split = split_heads(rows, block.heads);
  return angles ? keep(rotary(split, read(angles), false).output) : split;
}

Fusion::Keys Fusion::keys(const CrossAttentionBlock& block, const Array& plain, const Array& keyed,
                          const Tensor& angles) const {
  const int64_t heads = block.kv_heads == 0 ? block.heads : block.kv_heads;
  const Array rows =
      head_normed(block.key_head_norm, projected(block.key, keyed), heads, block.norm_across_heads);
  Keys result{split_heads(rows, heads), split_heads(projected(block.value, plain), heads)};
  if (angles) result.key = keep(rotary(result.key, read(angles), false).output);
  return result;
}

Fusion::Keys Fusion::keys_of(const CrossAttentionBlock& block, const CrossAttentionCall& call,
                             const Array& normed_query) const {
  if (call.prepared.key) return {read(call.prepared.key), read(call.prepared.value)};
  const Array context = normed(block.context_norm, read(call.context));
  Array keyed = call.context_position ? keep(plus(context, read(call.context_position))) : context;
  if (!block.context_and_query) return keys(block, context, keyed, call.key_angles);
  const Array query =
      call.query_position ? keep(plus(normed_query, read(call.query_position))) : normed_query;
  const int64_t batch = normed_query.shape[1];
  return keys(block, behind(context, normed_query, batch), behind(keyed, query, batch),
              call.key_angles);
}

Array Fusion::attended(const CrossAttentionBlock& block, const AttentionCall& options,
                       const Array& query, const Keys& keys) const {
  AttentionInputs in = inputs_of(*this, options);
  in.query = query;
  in.key = keys.key;
  in.value = keys.value;
  in.batch = in.items = query.shape[0];
  in.heads = block.heads;
  in.scale = block.scale;
  in.softcap = block.softcap;
  return keep(joined_heads(attention(in).output));
}

Array Fusion::gated(const Gate& gate, const Array* factors, const Array& rows) const {
  const Array value = gate.value ? read(gate.value) : Array();
  Array line = factors ? *factors : Array();
  line.shape = {1, 1, 1, static_cast<int64_t>(line.values.size())};
  const AddScales scales{.gate_kind = gate.kind,
                         .gate = gate.value ? &value : nullptr,
                         .row_factors = factors ? &line : nullptr};
  const Array flat = all_rows(rows);
  return shaped(add(nullptr, flat, flat.shape[2], scales).output, rows.shape);
}

Array Fusion::source(const CrossAttentionBlock& block, size_t i, const SourceCall& call,
                     const Array& query) const {
  CrossAttentionBlock like;
  like.heads = block.heads;
  like.kv_heads = block.kv_heads;
  like.scale = block.scale;
  like.softcap = block.softcap;
  like.context_norm = block.more_sources[i].context_norm;
  like.key = block.more_sources[i].key;
  like.value = block.more_sources[i].value;
  CrossAttentionCall keys_call;
  keys_call.context = call.context;
  keys_call.prepared = call.prepared;
  const Array rows = attended(like, call.attention, query, keys_of(like, keys_call, {}));
  const Array factors = call.row_factors ? read(call.row_factors) : Array();
  return gated(call.gate, call.row_factors ? &factors : nullptr, rows);
}

Array Fusion::feed_forward(const FeedForward& block, const Array& input,
                           const Array* factors) const {
  const Array n = normed(block.norm, input);
  Array hidden;
  if (block.gate_up.weight) {
    const Array gate = projected(block.gate_up, n), up = projected(block.up, n);
    hidden =
        keep(shaped(multiply(all_rows(gate), all_rows(up), block.activation).output, up.shape));
  } else {
    hidden = projected(block.up, n, block.activation);
  }
  Array x = gated(block.gate, factors, projected(block.down, hidden));
  if (block.residual) x = plus(input, x);
  return normed(block.post_norm, keep(x));
}

Array Fusion::finish(const CrossAttentionBlock& block, const Array& query,
                     const Array& normed_query, const Array& attended, const Array* factors,
                     const Array* feed_factors) const {
  Array x = gated(block.gate, factors, attended);
  if (block.residual) x = plus(block.residual_of_norm ? normed_query : query, x);
  x = normed(block.post_norm, keep(x));
  return block.feed_forward ? feed_forward(*block.feed_forward, x, feed_factors) : x;
}

Array Fusion::cross_attention(const CrossAttentionBlock& block,
                              const CrossAttentionCall& call) const {
  const Array query = read(call.query), n = normed(block.query_norm, query);
  const Array q = queries(block, n, call.query_position, call.query_angles);
  AttentionCall options = call.attention;
  options.null_key = block.null_key;
  options.null_value = block.null_value;
  Array a = attended(block, options, q, keys_of(block, call, n));
  for (size_t i = 0; i < call.more_sources.size(); ++i)
    a = keep(plus(a, source(block, i, call.more_sources[i], q)));
  const Array factors = call.row_factors ? read(call.row_factors) : Array();
  Array feed = call.feed_forward_factors ? read(call.feed_forward_factors) : factors;
  if (call.row_factors && call.feed_forward_factors)
    for (size_t i = 0; i < feed.values.size(); ++i) feed.values[i] *= factors.values[i];
  return finish(block, query, n, projected(block.out, a), call.row_factors ? &factors : nullptr,
                feed.values.empty() ? nullptr : &feed);
}

Array Fusion::chunked(const CrossAttentionBlock& block, const ChunkedAttentionCall& call) const {
  const Array query = read(call.query), n = normed(block.query_norm, query);
  const Array context = normed(block.context_norm, read(call.context));
  const int64_t batch = query.shape[1], q_len = query.shape[2], shift = call.chunk_len - 1;
  const std::vector<int32_t> lengths =
      call.kv_lengths ? numbers(read(call.kv_lengths)) : std::vector<int32_t>();
  AttentionCall options;
  options.null_key = block.null_key;
  options.null_value = block.null_value;
  Array out;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t c = 0; c < q_len / call.chunk_len; ++c) {
      // The shifted rows of the chunk, zeros behind the last one, as RETRO pads them.
      const Array rows = rows_from(n, b, shift + c * call.chunk_len, call.chunk_len);
      const Array q = queries(block, rows, {}, call.query_angles);
      const int64_t chunk = b * (q_len / call.chunk_len) + c;
      Array neighbours(1, 1, context.shape[2], context.shape[3]);
      std::copy_n(context.row(b, c, 0), neighbours.values.size(), neighbours.values.begin());
      Keys own = keys(block, neighbours, neighbours, call.key_angles);
      AttentionInputs in = inputs_of(*this, options);
      in.query = q;
      in.key = own.key;
      in.value = own.value;
      in.batch = in.items = 1;
      in.heads = block.heads;
      in.scale = block.scale;
      if (!lengths.empty()) in.kv_lengths = {lengths[static_cast<size_t>(chunk)]};
      const Array a = projected(block.out, keep(joined_heads(attention(in).output)));
      if (out.values.empty()) out = Array(1, batch, q_len, a.shape[3]);
      for (int64_t i = 0; i < call.chunk_len; ++i)
        if (const int64_t row = shift + c * call.chunk_len + i; row < q_len)
          std::copy_n(a.row(0, 0, i), a.shape[3], out.row(0, b, row));
    }
  if (out.values.empty()) out = Array(1, batch, q_len, block.out.weight.shape[0]);
  return finish(block, query, n, out, nullptr, nullptr);
}

Array Fusion::similarity(const Similarity& block, const Array& left, const Array& right) const {
  const Array l = projected(block.left, left), r = projected(block.right, right);
  Array result(1, 1, l.shape[2], r.shape[2]);
  const auto dot = [&](const double* x, const double* y) {
    double sum = 0.0;
    for (int64_t c = 0; c < l.shape[3]; ++c) sum += x[c] * y[c];
    return sum;
  };
  for (int64_t i = 0; i < l.shape[2]; ++i)
    for (int64_t j = 0; j < r.shape[2]; ++j) {
      const double *x = l.row(0, 0, i), *y = r.row(0, 0, j);
      const double sizes = std::sqrt(dot(x, x) * dot(y, y));
      result.row(0, 0, i)[j] = sizes > 0.0 ? block.scale * dot(x, y) / sizes : 0.0;
    }
  return result;
}

}  // namespace weft::reference
