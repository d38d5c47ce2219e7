#include "attention/plan.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "attention/self_test.hpp"
#include "attention/tune.hpp"
#include "decide/constants.hpp"
#include "vulkan/device.hpp"

namespace weft::attention_detail {
namespace {

using PlanList = std::vector<std::unique_ptr<const Plan>>;
struct Plans {
  PlanList current, forgotten;
};

bool same(const AttentionDesc& left, const AttentionDesc& right) {
  const auto tie = [](const AttentionDesc& desc) {
    return std::tie(desc.query_dtype, desc.kv_dtype, desc.output_dtype, desc.head_dim,
                    desc.value_dim, desc.mask, desc.mask_dtype, desc.bias, desc.bias_dtype,
                    desc.features, desc.q_len, desc.kv_len);
  };
  return tie(left) == tie(right);
}

const Plan* find(const PlanList& plans, const AttentionDesc& desc, bool large_kv) {
  const auto found = std::ranges::find_if(plans, [&](const auto& plan) {
    return plan->large_kv() == large_kv && same(plan->desc(), desc);
  });
  return found == plans.end() ? nullptr : found->get();
}

// Measures what never was, where the app wants that. What goes wrong with it is in the log: planning goes on.
void tune_first(const Device& device, const AttentionDesc& desc) {
  const double seconds = vulkan::tune_seconds(*device.state());
  if (seconds == 0 || desc.q_len == 0 || desc.kv_len == 0 || fastest_known(device, desc)) return;
  if (const auto report = measure(device, desc, {.max_seconds = seconds}); !report)
    vulkan::log(*device.state(), LogLevel::warning, report.error().message);
}

Result<std::unique_ptr<const Plan>> make_plan(const Device& device, const AttentionDesc& desc,
                                              bool large_kv) {
  tune_first(device, desc);
  const auto rows = decide::attention_rows();
  WEFT_ASSIGN(const decide::Findings findings, find_out(device, desc, rows, large_kv));
  WEFT_ASSIGN(const decide::AttentionRow* row,
              decide::select_attention(device.traits(), decide::problem_of(desc, large_kv),
                                       vulkan::overrides(*device.state()), rows, findings));
  return std::make_unique<const Plan>(desc, *row, large_kv);
}

}  // namespace

AttentionDesc kernel_desc(const decide::AttentionRow& row, AttentionDesc desc) noexcept {
  if ((desc.features & kFeatureWeights) != 0 && !writes_weights(row))
    desc.features = (desc.features & ~kFeatureWeights) | kFeatureLogsumexp;
  return desc;
}

Result<const vulkan::Pipeline*> Plan::pipeline(vulkan::DeviceState& device, bool aligned, bool in_parts) const {
  std::atomic<const vulkan::Pipeline*>& kept = pipelines_[2 * in_parts + aligned];
  if (const vulkan::Pipeline* made = kept.load(std::memory_order_acquire)) return made;
  const DeviceTraits& traits = vulkan::traits_of(device);
  AttentionDesc desc = kernel_desc(*row_, desc_);
  if (in_parts) {
    desc.output_dtype = DType::f32;
    desc.features |= kFeatureLogsumexp;
  }
  const auto constants = decide::attention_constants(*row_, desc, traits, aligned);
  WEFT_ASSIGN(const vulkan::Pipeline* made,
              vulkan::pipeline(device, row_->shader, constants, decide::subgroup_size(*row_, traits)));
  kept.store(made, std::memory_order_release);
  return made;
}

// Lengths are hints: descriptions that no row tells apart share a plan.
AttentionDesc class_of(AttentionDesc desc) noexcept {
  const decide::Lengths lengths = decide::length_class({desc.q_len, desc.kv_len});
  desc.q_len = lengths.q;
  desc.kv_len = lengths.kv;
  return desc;
}

Result<const Plan*> find_plan(const Device& device, const AttentionDesc& desc, bool large_kv) {
  const AttentionDesc key = class_of(desc);
  vulkan::Attachment& attachment = vulkan::attention_plans(*device.state());
  {
    std::lock_guard lock(attachment.mutex);
    if (!attachment.value) attachment.value = std::make_shared<Plans>();
    const PlanList& plans = static_cast<Plans*>(attachment.value.get())->current;
    if (const Plan* plan = find(plans, key, large_kv)) return plan;
  }
  // Made outside the lock: it may take seconds, and others may go on meanwhile.
  WEFT_ASSIGN(auto made, make_plan(device, key, large_kv));
  std::lock_guard lock(attachment.mutex);
  PlanList& plans = static_cast<Plans*>(attachment.value.get())->current;
  if (const Plan* plan = find(plans, key, large_kv)) return plan;
  plans.push_back(std::move(made));
  return plans.back().get();
}

void forget_plans(const Device& device, const AttentionDesc& desc) {
  vulkan::Attachment& attachment = vulkan::attention_plans(*device.state());
  std::lock_guard lock(attachment.mutex);
  if (!attachment.value) return;
  auto& [current, forgotten] = *static_cast<Plans*>(attachment.value.get());
  const AttentionDesc key = class_of(desc);
  const auto rest = std::ranges::stable_partition(
      current, [&](const auto& plan) { return !same(plan->desc(), key); });
  std::ranges::move(rest, std::back_inserter(forgotten));
  current.erase(rest.begin(), rest.end());
}

}  // namespace weft::attention_detail
