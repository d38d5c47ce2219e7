// What the shader of a chosen row is told: specialization constants, and what follows from them.
#pragma once

#include <array>
#include <cstdint>

#include "decide/kernels.hpp"
#include "weft/attention.hpp"

namespace weft::decide {

// Value elements that an invocation of this row takes: the row's limit, spread evenly over the chunks.
uint32_t value_chunk(const AttentionRow& row, uint32_t value_dim) noexcept;

// Specialization constants, indexed by WEFT_ATTENTION_... and WEFT_LINEAR_...
inline constexpr size_t kAttentionConstants = 24;
inline constexpr size_t kLinearConstants = 18;
// `desc.value_dim` must not be 0.
std::array<uint32_t, kAttentionConstants> attention_constants(const AttentionRow& row,
                                                              const AttentionDesc& desc,
                                                              const DeviceTraits& traits,
                                                              bool aligned);

// Operations with one kernel each.
enum class Simple : uint32_t {
  weights,
  merge,
  norm,
  add,
  gather,
  combine,
  pack,
  multiply,
  mix_keys,
  rotary
};
struct SimpleChoice {
  const char* name;
  Shader shader;
  uint32_t local_size;
};
SimpleChoice choose_simple(Simple kind, const DeviceTraits& traits) noexcept;
// Invocations that share a row of a norm, a power of two up to `local_size`.
uint32_t norm_lanes(const DeviceTraits& traits, uint32_t dim, uint32_t local_size) noexcept;

// WEFT_TYPE_... of a floating type.
constexpr uint32_t element_type(DType dtype) { return static_cast<uint32_t>(dtype); }
// WEFT_MASK_U8 or WEFT_MASK_I32.
constexpr uint32_t mask_type(DType dtype) { return dtype == DType::i32; }

}  // namespace weft::decide
