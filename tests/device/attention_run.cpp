#include "device/attention_run.hpp"

namespace weft::test {

Result<std::string> run_attention(const Device& device, const cases::AttentionCase& c,
                                  const cases::AttentionProblem& data,
                                  const reference::AttentionResult& expected,
                                  const std::string& row) {
  WEFT_ASSIGN(const AttentionCall call, cases::make_call(device, c, data));
  WEFT_ASSIGN(const AttentionDesc desc, describe(call));
  WEFT_ASSIGN(const Attention plan, Attention::plan(device, desc));
  Recorder recorder(device);
  WEFT_TRY(plan.record(recorder, call));
  std::vector<Tensor> outputs{call.output};
  if (c.logsumexp) outputs.push_back(call.logsumexp);
  WEFT_ASSIGN(const TwoRuns runs, run_twice(device, recorder, outputs));

  std::string problem;
  if (!row.empty() && plan.kernel() != row)
    problem += std::string("the row ") + plan.kernel() + " ran. ";
  problem += compare("output", runs.first[0], data.output, expected.output,
                     allowed_output(data.inputs, expected));
  if (c.logsumexp)
    problem += compare("logsumexp", runs.first[1], data.logsumexp, expected.logsumexp,
                       allowed_logsumexp(data.inputs, expected));
  if (!runs.same) problem += "the second run gave other bits. ";
  return problem;
}

}  // namespace weft::test
