// The public functions: validate, plan, record.
#include "weft/attention.hpp"

#include "attention/plan.hpp"
#include "attention/record.hpp"
#include "attention/self_test.hpp"
#include "attention/validate.hpp"
#include "base/text.hpp"
#include "vulkan/device.hpp"

namespace weft {

using attention_detail::AttentionShape;
using attention_detail::Plan;

struct Attention::State {
  Device device;  // keeps the plan alive
  const Plan* plan;
};

Result<Attention> Attention::plan(const Device& device, const AttentionDesc& desc) {
  WEFT_ASSIGN(const AttentionDesc valid, attention_detail::validate(desc));
  WEFT_TRY(vulkan::check_not_lost(*device.state(), "attention"));
  WEFT_ASSIGN(const Plan* plan, attention_detail::find_plan(device, valid));
  // The likely pipeline: most tensors of such dimensions are aligned. What a split row compiles
  // depends on how many rows share keys, which calls say.
  if (plan->row().path != decide::Path::split)
    WEFT_TRY(plan->pipeline(*device.state(), valid.head_dim % 4 == 0 && valid.value_dim % 4 == 0));
  return Attention(std::make_shared<const State>(State{device, plan}));
}

Result<void> Attention::record(Recorder& recorder, const AttentionCall& call) const {
  if (recorder.device().state() != state_->device.state())
    return fail(Code::invalid_argument,
                "attention: the recorder is of another device than the plan; both must be of one");
  WEFT_ASSIGN(const AttentionShape shape, attention_detail::validate(call));
  WEFT_TRY(attention_detail::match(shape.desc, state_->plan->desc()));
  const Plan* plan = state_->plan;
  const decide::AttentionRow& row = plan->row();
  // Lengths and sizes are a call's own: one that the row can't take goes to another.
  if ((row.max_kv_len != 0 && shape.scores.kv_len > row.max_kv_len) ||
      (row.unpack && shape.large_kv)) {
    WEFT_ASSIGN(plan, attention_detail::find_plan(state_->device, shape.desc, shape.large_kv));
  }
  return attention_detail::record(recorder, *plan, call, shape);
}

const char* Attention::kernel() const noexcept { return state_->plan->row().name; }

Result<AttentionDesc> describe(const AttentionCall& call) {
  WEFT_ASSIGN(const AttentionShape shape, attention_detail::validate(call));
  return shape.desc;
}

Result<void> attention(Recorder& recorder, const AttentionCall& call) {
  WEFT_ASSIGN(const AttentionShape shape, attention_detail::validate(call));
  WEFT_ASSIGN(const Plan* plan,
              attention_detail::find_plan(recorder.device(), shape.desc, shape.large_kv));
  return attention_detail::record(recorder, *plan, call, shape);
}

std::string explain(const Device& device, const AttentionDesc& desc) {
  const auto valid = attention_detail::validate(desc);
  if (!valid) return valid.error().message + "\n";
  const auto findings = attention_detail::find_out(device, *valid);
  if (!findings) return findings.error().message + "\n";
  std::string lines;
  for (const decide::Verdict& verdict :
       decide::judge_attention(device.traits(), decide::problem_of(*valid),
                               vulkan::overrides(*device.state()), decide::attention_rows(), *findings))
    lines += text(verdict.row, ": ", verdict.text, "\n");
  return lines;
}

}  // namespace weft
