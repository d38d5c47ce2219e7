#include "device/attention_run.hpp"

namespace weft::test {

Result<AttentionCall> make_call(const Device& device, const cases::AttentionCase& c,
                                const cases::AttentionProblem& data) {
  AttentionCall call;
  call.scale = c.scale;
  WEFT_ASSIGN(call.query, upload(device, data.inputs.query, data.query));
  WEFT_ASSIGN(call.key, upload(device, data.inputs.key, data.key));
  WEFT_ASSIGN(call.value, upload(device, data.inputs.value, data.value));
  if (c.broadcast_kv)
    for (Tensor* tensor : {&call.key, &call.value}) {
      tensor->shape[0] = c.batch;
      tensor->strides[0] = 0;
    }
  WEFT_ASSIGN(call.output, poisoned(device, data.output));
  if (c.mask != cases::Mask::none) {
    WEFT_ASSIGN(call.mask, upload(device, data.inputs.mask, data.mask));
  }
  if (c.lengths != cases::Lengths::none) {
    reference::Array lengths(1, 1, 1, c.batch);
    lengths.values.assign(data.inputs.kv_lengths.begin(), data.inputs.kv_lengths.end());
    WEFT_ASSIGN(call.kv_lengths, upload(device, lengths, data.kv_lengths));
  }
  if (c.logsumexp) {
    WEFT_ASSIGN(call.logsumexp, poisoned(device, data.logsumexp));
  }
  return call;
}

Result<std::string> run_attention(const Device& device, const cases::AttentionCase& c,
                                  const cases::AttentionProblem& data,
                                  const reference::AttentionResult& expected, const std::string& row) {
  WEFT_ASSIGN(const AttentionCall call, make_call(device, c, data));
  WEFT_ASSIGN(const AttentionDesc desc, describe(call));
  WEFT_ASSIGN(const Attention plan, Attention::plan(device, desc));
  Recorder recorder(device);
  WEFT_TRY(plan.record(recorder, call));
  std::vector<Tensor> outputs{call.output};
  if (c.logsumexp) outputs.push_back(call.logsumexp);
  WEFT_ASSIGN(const TwoRuns runs, run_twice(device, recorder, outputs));

  std::string problem;
  if (!row.empty() && plan.kernel() != row) problem += std::string("the row ") + plan.kernel() + " ran. ";
  problem += compare("output", runs.first[0], data.output, expected.output,
                     allowed_output(data.inputs, expected));
  if (c.logsumexp)
    problem += compare("logsumexp", runs.first[1], data.logsumexp, expected.logsumexp,
                       allowed_logsumexp(data.inputs, expected));
  if (!runs.same) problem += "the second run gave other bits. ";
  return problem;
}

}  // namespace weft::test
