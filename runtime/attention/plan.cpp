#include "attention/plan.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "decide/constants.hpp"
#include "vulkan/device.hpp"

namespace weft::attention_detail {
namespace {

using Plans = std::vector<std::unique_ptr<const Plan>>;

bool same(const AttentionDesc& left, const AttentionDesc& right) {
  const auto tie = [](const AttentionDesc& desc) {
    return std::tie(desc.query_dtype, desc.kv_dtype, desc.output_dtype, desc.head_dim,
                    desc.value_dim, desc.mask, desc.mask_dtype, desc.bias, desc.bias_dtype,
                    desc.features, desc.q_len, desc.kv_len);
  };
  return tie(left) == tie(right);
}

const Plan* find(const Plans& plans, const AttentionDesc& desc) {
  const auto found =
      std::ranges::find_if(plans, [&](const auto& plan) { return same(plan->desc(), desc); });
  return found == plans.end() ? nullptr : found->get();
}

// Lengths are hints: descriptions that no row tells apart share a plan.
AttentionDesc cache_key(AttentionDesc desc) {
  const decide::Lengths lengths = decide::length_class({desc.q_len, desc.kv_len});
  desc.q_len = lengths.q;
  desc.kv_len = lengths.kv;
  return desc;
}

Result<std::unique_ptr<const Plan>> make_plan(const Device& device, const AttentionDesc& desc) {
  WEFT_ASSIGN(const decide::AttentionRow* row,
              decide::select_attention(device.traits(), decide::problem_of(desc),
                                       vulkan::overrides(*device.state())));
  auto plan = std::make_unique<const Plan>(desc, *row);
  // The likely pipeline: most tensors of such dimensions are aligned.
  WEFT_TRY(plan->pipeline(*device.state(), desc.head_dim % 4 == 0 && desc.value_dim % 4 == 0));
  return plan;
}

}  // namespace

Result<const vulkan::Pipeline*> Plan::pipeline(vulkan::DeviceState& device, bool aligned) const {
  std::atomic<const vulkan::Pipeline*>& kept = pipelines_[aligned];
  if (const vulkan::Pipeline* made = kept.load(std::memory_order_acquire)) return made;
  const DeviceTraits& traits = vulkan::traits_of(device);
  const auto constants = decide::attention_constants(*row_, desc_, traits, aligned);
  WEFT_ASSIGN(const vulkan::Pipeline* made,
              vulkan::pipeline(device, row_->shader, constants, decide::subgroup_size(*row_, traits)));
  kept.store(made, std::memory_order_release);
  return made;
}

Result<const Plan*> find_plan(const Device& device, const AttentionDesc& desc) {
  const AttentionDesc key = cache_key(desc);
  vulkan::Attachment& attachment = vulkan::attention_plans(*device.state());
  {
    std::lock_guard lock(attachment.mutex);
    if (!attachment.value) attachment.value = std::make_shared<Plans>();
    if (const Plan* plan = find(*static_cast<Plans*>(attachment.value.get()), key)) return plan;
  }
  // Made outside the lock: it may take seconds, and others may go on meanwhile.
  WEFT_ASSIGN(auto made, make_plan(device, key));
  std::lock_guard lock(attachment.mutex);
  Plans& plans = *static_cast<Plans*>(attachment.value.get());
  if (const Plan* plan = find(plans, key)) return plan;
  plans.push_back(std::move(made));
  return plans.back().get();
}

}  // namespace weft::attention_detail
