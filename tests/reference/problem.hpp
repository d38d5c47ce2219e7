// The data of a case: values drawn from its seed, and where each tensor lies in memory.
#pragma once

#include <cstdint>
#include <vector>

#include "reference/array.hpp"
#include "reference/attention.hpp"
#include "reference/case_line.hpp"
#include "reference/placement.hpp"

namespace weft::cases {

// Repeatable numbers on every platform (splitmix64).
class Random {
 public:
  explicit Random(int64_t seed, uint64_t stream = 0)
      : state_(static_cast<uint64_t>(seed) * 0x9E3779B97F4A7C15u + stream * 0xD1B54A32D192ED03u) {}
  uint64_t bits();
  double uniform();              // -1 to 1
  int64_t below(int64_t count);  // 0 to count - 1

 private:
  uint64_t state_;
};

// An array uniform in -size to size, as its type stores it.
reference::Array random_array(Random& random, DType dtype, const std::array<int64_t, 4>& shape,
                              double size);

struct Operand {
  reference::Array values;
  Placement placement;
};

struct AttentionProblem {
  reference::AttentionInputs inputs;  // key and value hold one item where the case broadcasts them
  Placement query, key, value, mask, bias, output, logsumexp, weights;
  Placement query_regions, key_regions, region_mask, null_key, null_value;
};

// Two parts with the outputs and logsumexp that an attention could have given.
struct MergeProblem {
  reference::MergeResult left, right;
  Placement left_output, right_output, left_logsumexp, right_logsumexp, output, logsumexp;
};

struct LinearProblem {
  Operand input, weight, bias;
  Placement output;
};

struct NormProblem {
  Operand input, weight, bias;
  Placement output;
};

struct AddProblem {
  Operand left, right, gate, row_factors;
  Placement output;
};

struct MultiplyProblem {
  Operand left, right;
  Placement output;
};

struct GatherProblem {
  Operand table;
  std::vector<int32_t> indices;
  Placement output;
};

struct MixKeysProblem {
  Operand input, factors, matrix;
  Placement output;
};

struct RotaryProblem {
  Operand input, angles;
  Placement output;
};

AttentionProblem make_problem(const AttentionCase& problem);
MergeProblem make_problem(const MergeCase& problem);
LinearProblem make_problem(const LinearCase& problem);
NormProblem make_problem(const NormCase& problem);
AddProblem make_problem(const AddCase& problem);
MultiplyProblem make_problem(const MultiplyCase& problem);
GatherProblem make_problem(const GatherCase& problem);
MixKeysProblem make_problem(const MixKeysCase& problem);
RotaryProblem make_problem(const RotaryCase& problem);

}  // namespace weft::cases
