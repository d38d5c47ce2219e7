// The only place that looks at the shapes of these operations: calls in, plain numbers out.
#pragma once

#include <cstdint>

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

struct LinearShape {
  Rows input, weight, output;
  bool aligned = false;  // as WEFT_LINEAR_ALIGNED
};
struct NormShape {
  Rows input, output;
  bool aligned = false;
};
struct AddShape {
  Rows left, right, output;
  bool aligned = false;
};
struct GatherShape {
  Rows table, output;
  bool aligned = false;
};

// No device is needed. Errors: invalid_argument.
Result<LinearShape> validate(const LinearCall& call);
Result<NormShape> validate(const char* operation, const NormCall& call);
Result<AddShape> validate(const AddCall& call);
Result<GatherShape> validate(const GatherCall& call);

}  // namespace weft::ops
