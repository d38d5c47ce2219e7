// The only place that looks at the shapes of these operations: calls in, plain numbers out.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/checks.hpp"
#include "weft/ops.hpp"

namespace weft::ops {

// A tensor as rows with one stride between them.
struct Rows {
  uint32_t count = 0;
  uint32_t dim = 0;
  uint32_t stride = 0;  // in elements; 0 for one row at most
};

// Folds [..., rows, dim] of rank 1 to 4. Errors: invalid_argument where the leading axes have no
// one stride.
Result<Rows> fold(const checks::Rules& rules, const checks::Operand& operand);

// Every operand inside its buffer; the output apart from the inputs, or exactly `in_place`.
Result<void> check_memory(const checks::Rules& rules, std::initializer_list<checks::Operand> inputs,
                          const checks::Operand& output, const Tensor* in_place = nullptr);

// Every row of those that are given starts on a multiple of 4 elements.
bool start_on_4(std::initializer_list<const Tensor*> tensors);

struct LinearShape {
  Rows input, weight, output;
  bool aligned = false;  // as WEFT_LINEAR_ALIGNED
};
struct NormShape {
  Rows input, output;
  bool aligned = false;
};
// A gate for each column, not one for all.
inline bool has_columns(const Gate& gate) { return gate.value && gate.value.shape[0] != 1; }

struct PairShape {
  Rows left, right, output;  // no left: no rows
  bool aligned = false;
};
struct GatherShape {
  Rows table, output;
  bool aligned = false;
};
// [batch, heads, length, dim]: `length` is the output's.
struct MixKeysShape {
  uint32_t batch = 0, heads = 0, length = 0, kv_len = 0, dim = 0;
  bool aligned = false;
};
struct RotaryShape {
  uint32_t batch = 0, heads = 0, length = 0, dim = 0, turned = 0;
  bool aligned = false;  // as WEFT_ROTARY_ALIGNED
};

// No device is needed. Errors: invalid_argument.
Result<LinearShape> validate(const LinearCall& call);
Result<NormShape> validate(const char* operation, const NormCall& call);
Result<PairShape> validate(const AddCall& call);
Result<PairShape> validate(const MultiplyCall& call);
Result<GatherShape> validate(const GatherCall& call);
Result<MixKeysShape> validate(const MixKeysCall& call);
Result<RotaryShape> validate(const RotaryCall& call);

}  // namespace weft::ops
