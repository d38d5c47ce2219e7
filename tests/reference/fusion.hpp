// Fusion blocks in fp64, from the definitions of weft/fusion.hpp: what a block on a device is
// measured against. Blocks and calls are the library's own; their tensors are read from the device.
#pragma once

#include <functional>
#include <vector>

#include "reference/array.hpp"
#include "weft/fusion.hpp"

namespace weft::reference {

class Fusion {
 public:
  // With a type, whatever a block keeps between its operations is rounded to it.
  explicit Fusion(const Device& device) : device_(device) {}
  Fusion(const Device& device, DType rounded) : device_(device), rounds_(true), rounded_(rounded) {}

  // The elements of a tensor, its axes on the right of four.
  Array read(const Tensor& tensor) const;

  // Rows are [1, batch, length, dim].
  Array cross_attention(const CrossAttentionBlock& block, const CrossAttentionCall& call) const;
  // Chunk by chunk, on shifted rows.
  Array chunked(const CrossAttentionBlock& block, const ChunkedAttentionCall& call) const;
  Array feed_forward(const FeedForward& block, const Array& input, const Array* factors) const;
  Array similarity(const Similarity& block, const Array& left, const Array& right) const;
  // The result of a norm or a projection of rows.
  Array normed(const Norm& norm, const Array& rows) const;
  Array projected(const Projection& projection, const Array& rows,
                  Activation activation = Activation::none) const;

 private:
  struct Keys {
    Array key, value;  // [batch, kv_heads, kv_len, dim]
  };
  Array keep(Array rows) const;
  Array head_normed(const Norm& norm, const Array& rows, int64_t heads, bool across) const;
  Array queries(const CrossAttentionBlock& block, const Array& normed, const Tensor& position,
                const Tensor& angles) const;
  Keys keys(const CrossAttentionBlock& block, const Array& plain, const Array& keyed,
            const Tensor& angles) const;
  Keys keys_of(const CrossAttentionBlock& block, const CrossAttentionCall& call,
               const Array& normed) const;
  Array attended(const CrossAttentionBlock& block, const AttentionCall& options, const Array& query,
                 const Keys& keys) const;
  Array source(const CrossAttentionBlock& block, size_t i, const SourceCall& call,
               const Array& query) const;
  Array gated(const Gate& gate, const Array* factors, const Array& rows) const;
  Array finish(const CrossAttentionBlock& block, const Array& query, const Array& normed,
               const Array& attended, const Array* factors, const Array* feed_factors) const;

  const Device& device_;
  bool rounds_ = false;
  DType rounded_ = DType::f32;
};

}  // namespace weft::reference
