#include "conformance/onnx_attention.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace weft::onnx {
namespace {

std::unexpected<Error> wrong(const std::string& what) {
  return fail(Code::invalid_argument, "ONNX Attention: " + what);
}

std::optional<DType> dtype_of(ElementType type) {
  switch (type) {
    case ElementType::f32:
      return DType::f32;
    case ElementType::f16:
      return DType::f16;
    case ElementType::bf16:
      return DType::bf16;
    default:
      return std::nullopt;
  }
}

// A query, key or value of rank 3 or 4, seen as [batch, heads, length, dim].
struct Heads {
  TensorView view;
  DType dtype = DType::f32;
  bool packed = false;  // rank 3: a row holds its heads one after another
  int64_t batch = 0, heads = 0, length = 0, dim = 0;

  size_t row_bytes() const { return static_cast<size_t>(dim) * size_bytes(dtype); }
  const std::byte* row(int64_t b, int64_t h, int64_t i) const {
    const int64_t index = packed ? (b * length + i) * heads + h : (b * heads + h) * length + i;
    return view.data.data() + static_cast<size_t>(index) * row_bytes();
  }
};

Result<Heads> heads_of(const std::string& name, const TensorView& view, int64_t num_heads) {
  const auto dtype = dtype_of(view.type);
  if (!dtype)
    return fail(Code::unsupported, "ONNX Attention: " + name + " has the type " +
                                       to_string(view.type) + "; it must be F32, F16 or BF16");
  const auto size = [&](size_t axis) { return static_cast<int64_t>(view.shape[axis]); };
  if (view.shape.size() == 4) return Heads{view, *dtype, false, size(0), size(1), size(2), size(3)};
  if (view.shape.size() != 3)
    return wrong(name + " has the rank " + std::to_string(view.shape.size()) +
                 "; it must be 3 or 4");
  if (num_heads < 1 || size(2) % num_heads != 0)
    return wrong("a row of " + name + " has " + std::to_string(size(2)) +
                 " elements; its number of heads, " + std::to_string(num_heads) +
                 ", must be at least 1 and divide that");
  return Heads{view, *dtype, true, size(0), num_heads, size(1), size(2) / num_heads};
}

// A dense tensor of the rank of `heads`, and the same elements as [batch, heads, length, dim].
struct Shaped {
  Tensor tensor, by_heads;
};

Result<Shaped> make_shaped(const Device& device, const Heads& heads) {
  const Dims shape = heads.packed ? Dims{heads.batch, heads.length, heads.heads * heads.dim}
                                  : Dims{heads.batch, heads.heads, heads.length, heads.dim};
  WEFT_ASSIGN(const Tensor tensor, device.tensor(heads.dtype, shape));
  if (!heads.packed) return Shaped{tensor, tensor};
  WEFT_ASSIGN(const Tensor by_heads, tensor.split_heads(heads.heads));
  return Shaped{tensor, by_heads};
}

// Past rows, then new ones: dense [batch, kv_heads, past length + length, dim].
Result<Tensor> concatenate(const Device& device, const std::string& name, const TensorView& past,
                           const Heads& heads) {
  if (past.type != heads.view.type || past.shape.size() != 4 ||
      static_cast<int64_t>(past.shape[0]) != heads.batch ||
      static_cast<int64_t>(past.shape[1]) != heads.heads ||
      static_cast<int64_t>(past.shape[3]) != heads.dim)
    return wrong("past_" + name + " must have the type, batch, heads and head size of " + name);
  const auto past_length = static_cast<int64_t>(past.shape[2]);
  const size_t past_bytes = static_cast<size_t>(past_length) * heads.row_bytes();
  std::vector<std::byte> joined;
  joined.reserve(past.data.size() + heads.view.data.size());
  for (int64_t b = 0; b < heads.batch; ++b)
    for (int64_t h = 0; h < heads.heads; ++h) {
      const std::byte* first =
          past.data.data() + static_cast<size_t>(b * heads.heads + h) * past_bytes;
      joined.insert(joined.end(), first, first + past_bytes);
      for (int64_t i = 0; i < heads.length; ++i)
        joined.insert(joined.end(), heads.row(b, h, i), heads.row(b, h, i) + heads.row_bytes());
    }
  WEFT_ASSIGN(const Tensor tensor,
              device.tensor(heads.dtype,
                            {heads.batch, heads.heads, past_length + heads.length, heads.dim}));
  WEFT_TRY(device.upload(tensor, joined));
  return tensor;
}

Result<Tensor> upload(const Device& device, const std::string& name,
                      const std::optional<TensorView>& past, const Heads& heads) {
  if (past) return concatenate(device, name, *past, heads);
  WEFT_ASSIGN(const Shaped made, make_shaped(device, heads));
  WEFT_TRY(device.upload(made.tensor, heads.view.data));
  return made.by_heads;
}

// A mask is broadcast from the right: missing axes are 1.
Result<void> set_mask(const Device& device, const TensorView& mask, AttentionCall& call) {
  const size_t rank = mask.shape.size();
  if (rank < 1 || rank > 4)
    return wrong("attn_mask has the rank " + std::to_string(rank) + "; it must be 1 to 4");
  std::array<int64_t, 4> axes{1, 1, 1, 1};
  for (size_t i = 0; i < rank; ++i) axes[4 - rank + i] = static_cast<int64_t>(mask.shape[i]);
  const Dims shape{axes[0], axes[1], axes[2], axes[3]};
  if (mask.type == ElementType::boolean) {
    WEFT_ASSIGN(call.keep_mask, device.tensor(DType::u8, shape));
    return device.upload(call.keep_mask, mask.data);
  }
  if (const auto dtype = dtype_of(mask.type)) {
    WEFT_ASSIGN(call.bias, device.tensor(*dtype, shape));
    return device.upload(call.bias, mask.data);
  }
  // Integers and doubles, which are added too.
  WEFT_ASSIGN(const std::vector<float> values, to_float(mask));
  WEFT_ASSIGN(call.bias, device.tensor(DType::f32, shape));
  return device.upload(call.bias, values);
}

Result<Tensor> upload_integers(const Device& device, const std::vector<int64_t>& values) {
  std::vector<int32_t> narrow;
  for (const int64_t value : values)
    narrow.push_back(static_cast<int32_t>(std::clamp<int64_t>(value, INT32_MIN, INT32_MAX)));
  WEFT_ASSIGN(const Tensor tensor,
              device.tensor(DType::i32, {static_cast<int64_t>(values.size())}));
  WEFT_TRY(device.upload(tensor, narrow));
  return tensor;
}

// The keys that each item has; its query rows are then the last of them.
Result<void> set_lengths(const Device& device, const TensorView& nonpad, int64_t q_len,
                         AttentionCall& call) {
  if (nonpad.type != ElementType::i64 || nonpad.shape.size() != 1)
    return wrong("nonpad_kv_seqlen must be I64 [batch]");
  std::vector<int64_t> lengths(nonpad.shape[0]);
  std::memcpy(lengths.data(), nonpad.data.data(), nonpad.data.size());
  WEFT_ASSIGN(call.kv_lengths, upload_integers(device, lengths));
  for (int64_t& length : lengths) length -= q_len;
  if (call.causal || call.window_left >= 0 || call.window_right >= 0) {
    WEFT_ASSIGN(call.position_offsets, upload_integers(device, lengths));
  }
  return {};
}

Result<void> set_attributes(const AttentionAttributes& attributes, AttentionCall& call) {
  if (attributes.scale) {
    if (!(*attributes.scale > 0.0f) || std::isinf(*attributes.scale))
      return fail(Code::unsupported, "ONNX Attention: scale is " +
                                         std::to_string(*attributes.scale) +
                                         "; it must be positive and finite");
    call.scale = *attributes.scale;
  }
  for (const int64_t window : {attributes.left_window_size, attributes.right_window_size})
    if (window < -1)
      return wrong("a window size is " + std::to_string(window) + "; it must be at least -1");
  const auto window = [](int64_t size) {
    return static_cast<int32_t>(std::min<int64_t>(size, INT32_MAX));
  };
  call.softcap = attributes.softcap;
  call.causal = attributes.is_causal;
  call.window_left = window(attributes.left_window_size);
  call.window_right = window(attributes.right_window_size);
  return {};
}

Result<void> set_weights(const Device& device, int64_t mode, AttentionNode& node) {
  if (mode < 0 || mode > 3)
    return wrong("qk_matmul_output_mode is " + std::to_string(mode) + "; it must be 0 to 3");
  const Dims& query = node.call.query.shape;
  node.qk.stage = static_cast<WeightsStage>(mode);
  if (node.qk.stage == WeightsStage::probabilities) {
    WEFT_ASSIGN(node.call.logsumexp, device.tensor(DType::f32, {query[0], query[1], query[2]}));
  }
  WEFT_ASSIGN(node.qk.weights,
              device.tensor(DType::f32, {query[0], query[1], query[2], node.call.key.shape[2]}));
  node.qk.attention = node.call;
  return {};
}

}  // namespace

Result<AttentionNode> make_attention(const Device& device, const AttentionAttributes& attributes,
                                     const AttentionInputs& inputs, bool with_qk_matmul_output) {
  if (inputs.past_key.has_value() != inputs.past_value.has_value())
    return wrong("past_key and past_value must be given together");
  if (inputs.past_key && inputs.nonpad_kv_seqlen)
    return wrong("nonpad_kv_seqlen can't be given together with past_key");
  WEFT_ASSIGN(const Heads query, heads_of("query", inputs.query, attributes.q_num_heads));
  WEFT_ASSIGN(const Heads key, heads_of("key", inputs.key, attributes.kv_num_heads));
  WEFT_ASSIGN(const Heads value, heads_of("value", inputs.value, attributes.kv_num_heads));

  AttentionNode node;
  AttentionCall& call = node.call;
  WEFT_TRY(set_attributes(attributes, call));
  WEFT_ASSIGN(call.query, upload(device, "query", {}, query));
  WEFT_ASSIGN(call.key, upload(device, "key", inputs.past_key, key));
  WEFT_ASSIGN(call.value, upload(device, "value", inputs.past_value, value));
  call.position_offset = static_cast<int32_t>(call.key.shape[2] - key.length);
  if (inputs.attn_mask) WEFT_TRY(set_mask(device, *inputs.attn_mask, call));
  if (inputs.nonpad_kv_seqlen)
    WEFT_TRY(set_lengths(device, *inputs.nonpad_kv_seqlen, query.length, call));
  Heads output = query;
  output.dim = value.dim;
  WEFT_ASSIGN(const Shaped y, make_shaped(device, output));
  node.y = y.tensor;
  call.output = y.by_heads;
  if (with_qk_matmul_output) WEFT_TRY(set_weights(device, attributes.qk_matmul_output_mode, node));
  return node;
}

Result<void> record(Recorder& recorder, const AttentionNode& node) {
  WEFT_TRY(attention(recorder, node.call));
  if (node.qk.weights) WEFT_TRY(attention_weights(recorder, node.qk));
  return {};
}

}  // namespace weft::onnx
