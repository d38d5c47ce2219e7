// A validated call turned into operations of a recorder.
#pragma once

#include "attention/plan.hpp"
#include "attention/validate.hpp"
#include "params.h"
#include "schedule/operation.hpp"
#include "weft/recorder.hpp"

namespace weft::attention_detail {

using checks::row_stride;
using checks::set_slice;

// Errors: invalid_argument (a buffer of another device), unsupported (more workgroups than the
// device allows), those of pipelines. Records nothing where there is nothing to write.
Result<void> record(Recorder& recorder, const Plan& plan, const AttentionCall& call,
                    const AttentionShape& shape);

// The same for rows of the split path, whose call is not empty.
Result<void> record_split(Recorder& recorder, const Plan& plan, const AttentionCall& call,
                          const AttentionShape& shape);

// What writes the weights of a validated call, of which there are some.
Result<schedule::Operation> weights_operation(const Device& device, const AttentionWeightsCall& call,
                                              const WeightsShape& shape);

// All buffers are of the recorder's device, their rows within its reach.
Result<void> check_device(const checks::Rules& rules, const std::vector<checks::Operand>& operands,
                          const Device& device);

// All that a forward kernel is told but the addresses, and the arithmetic that the definition counts.
params::AttentionPush forward_push(const ScoreShape& scores);
params::AttentionArgs forward_args(const AttentionCall& call, const AttentionShape& shape);
double forward_flops(const AttentionShape& shape);

// The part of the arguments that scores depend on, and the reads of the tensors in it.
params::AttentionArgs score_args(const AttentionCall& call, const ScoreShape& shape);
void read_given(schedule::Operation& operation, const AttentionCall& call,
                std::span<const OptionalTensor> tensors);

}  // namespace weft::attention_detail
