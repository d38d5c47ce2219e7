// A validated call turned into one operation of a recorder.
#pragma once

#include "attention/plan.hpp"
#include "attention/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"
#include "weft/recorder.hpp"

namespace weft::attention_detail {

// Errors: invalid_argument (a buffer of another device), unsupported (more workgroups than the
// device allows), those of pipelines. Records nothing where there is nothing to write.
Result<void> record(Recorder& recorder, const Plan& plan, const AttentionCall& call,
                    const AttentionShape& shape);

// The same for rows of the split path, whose call is not empty.
Result<void> record_split(Recorder& recorder, const Plan& plan, const AttentionCall& call,
                          const AttentionShape& shape);

// All buffers are of the recorder's device.
Result<void> check_device(const checks::Rules& rules, const std::vector<checks::Operand>& operands,
                          const Device& device);

// All arguments of a forward kernel but the addresses, and the arithmetic that the definition counts.
params::AttentionArgs forward_args(const AttentionCall& call, const AttentionShape& shape);
double forward_flops(const AttentionShape& shape);

// The part of the arguments that scores depend on, and the reads of the tensors in it.
params::AttentionArgs score_args(const AttentionCall& call, const ScoreShape& shape);
void read_given(schedule::Operation& operation, const AttentionCall& call,
                std::span<const OptionalTensor> tensors);

// Batch and head strides in bytes; left as they are where the tensor is not given.
inline void set_slice(const Tensor& tensor, uint64_t& batch, uint64_t& head) {
  if (!tensor) return;
  batch = checks::stride_bytes(tensor, 0);
  head = checks::stride_bytes(tensor, 1);
}

// Elements from one row of [batch, heads, length, dim] to the next.
inline uint32_t row_stride(const Tensor& tensor) {
  return static_cast<uint32_t>(checks::stride_elements(tensor, tensor.rank() - 2));  // validated to fit
}

}  // namespace weft::attention_detail
