// Merging partial attentions: every merge line of weights.txt against the reference, and attentions
// over parts of the keys against the attention over all of them.
#include <algorithm>

#include "device/attention_run.hpp"
#include "device/weights_run.hpp"

using namespace weft;
using namespace weft::test;

namespace {

Result<void> slice_keys(Tensor& tensor, size_t axis, int64_t begin, int64_t end) {
  if (!tensor) return {};
  WEFT_ASSIGN(tensor, tensor.slice(axis, begin, end - begin));
  return {};
}

// The attention over keys begin to end alone. Positions of keys count from the first one; the sink
// and the null keys are in the first part only.
Result<AttentionCall> part_of(const AttentionCall& whole, int64_t begin, int64_t end) {
  AttentionCall part = whole;
  for (Tensor* tensor : {&part.key, &part.value}) WEFT_TRY(slice_keys(*tensor, 2, begin, end));
  for (Tensor* tensor : {&part.keep_mask, &part.drop_mask, &part.bias})
    WEFT_TRY(slice_keys(*tensor, 3, begin, end));
  part.position_offset -= static_cast<int32_t>(begin);
  if (begin > 0) part.sinks = part.null_key = part.null_value = {};
  return part;
}

Result<std::string> run_parts(const Device& device, const AttentionTest& test, int64_t cut) {
  WEFT_ASSIGN(AttentionCall whole, cases::make_call(device, test.problem, test.data));
  WEFT_ASSIGN(AttentionCall left, part_of(whole, 0, cut));
  WEFT_ASSIGN(AttentionCall right, part_of(whole, cut, test.problem.kv_len));
  WEFT_ASSIGN(right.output, cases::poisoned(device, test.data.output));
  WEFT_ASSIGN(right.logsumexp, cases::poisoned(device, test.data.logsumexp));
  WEFT_ASSIGN(const Tensor logsumexp, cases::poisoned(device, test.data.logsumexp));
  Recorder recorder(device);
  WEFT_TRY(attention(recorder, left));
  WEFT_TRY(attention(recorder, right));
  WEFT_TRY(attention_merge(recorder, {.left = {left.output, left.logsumexp},
                                      .right = {right.output, right.logsumexp},
                                      .output = whole.output,
                                      .logsumexp = logsumexp}));
  WEFT_ASSIGN(const TwoRuns runs, run_twice(device, recorder, {whole.output, logsumexp}));
  double rounding = 0.0;
  for (const AttentionCall* part : {&left, &right}) {
    WEFT_ASSIGN(const AttentionDesc desc, describe(*part));
    WEFT_ASSIGN(const Attention plan, Attention::plan(device, desc));
    rounding = std::max(rounding, weight_rounding(plan.kernel()));
  }
  const auto twice = [](const Allowed& allowed) {
    return [allowed](size_t i) { return 2.0 * allowed(i); };
  };
  return compare("output", runs.first[0], test.data.output, test.expected.output,
                 twice(allowed_output(test.data.inputs, test.expected, rounding))) +
         compare("logsumexp", runs.first[1], test.data.logsumexp, test.expected.logsumexp,
                 twice(allowed_logsumexp(test.data.inputs, test.expected)));
}

}  // namespace

TEST_CASE("merge: every line of weights.txt") { check_lines("weights.txt", check_merge); }
TEST_CASE("one case of the command line", "[.][one]") { check_lines("", check_merge); }

TEST_CASE("merge: parts of the keys give the attention over all keys") {
  for (const char* line : {
           "b2 h4 kv2 q9 k31 d24 f32 lse",
           "b2 h4 kv2 q9 k31 d24 dv16 f16 out=f32 mask=drop lse",
           "b2 h2 q9 k31 d8 f32 bias=bf16 masked=rows softcap=5 lse",
           "b2 h2 q9 k31 d8 f32 causal offset=7 window=12,3 lse",
           "b2 h2 q9 k31 d8 f32 causal offsets=random sinks null=2 lse layout=odd",
       }) {
    const AttentionTest test(std::get<cases::AttentionCase>(must(cases::parse(line))));
    for (const int64_t cut : {1, 8, 30}) {
      INFO(line << ", cut at key " << cut);
      CHECK(must(run_parts(device(), test, cut)) == "");
    }
  }
}
