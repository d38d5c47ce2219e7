// What parts of a call's keys give, and the operation that puts them together.
#pragma once

#include "attention/validate.hpp"
#include "params.h"
#include "weft/recorder.hpp"

namespace weft::attention_detail {

struct SplitPushes {
  params::AttentionPush attention;
  params::SplitPush split;
};

// One after the other in one transient tensor.
struct Parts {
  Tensor sums;    // [parts, ..., value_dim]: over values, or the outputs of parts
  Tensor states;  // [parts, ..., 2]: maximum and sum of the weights, or [parts, ...]: logsumexp of parts
  bool finished;  // the parts have outputs and logsumexps
};

Parts make_parts(Recorder& recorder, const Dims& sums, const Dims& states, bool finished);

// `pushes` and `args` are those of the split (lib/split.glsl); writes the call's output and logsumexp.
Result<void> record_combine(Recorder& recorder, const AttentionCall& call, const AttentionShape& shape,
                            const SplitPushes& pushes, const params::AttentionArgs& args, const Parts& parts);

void write_results(schedule::Operation& operation, const AttentionCall& call);

}  // namespace weft::attention_detail
