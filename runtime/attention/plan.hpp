// What planning fixes: a kernel row and its pipelines. Kept once per description and device.
#pragma once

#include <array>
#include <atomic>

#include "decide/select.hpp"
#include "vulkan/pipeline.hpp"
#include "weft/attention.hpp"

namespace weft::attention_detail {

// Whether a row writes AttentionCall::weights itself; after the others attention_weights does.
inline bool writes_weights(const decide::AttentionRow& row) noexcept {
  return row.path == decide::Path::short_keys;
}
// What the row's kernel is asked for: without weights that it doesn't write, which come of its logsumexp.
AttentionDesc kernel_desc(const decide::AttentionRow& row, AttentionDesc desc) noexcept;

// Holds nothing of the device, so that the device may hold it. Thread safety: any thread.
class Plan {
 public:
  Plan(const AttentionDesc& desc, const decide::AttentionRow& row, bool large_kv = false)
      : desc_(desc), row_(&row), large_kv_(large_kv) {}

  const AttentionDesc& desc() const noexcept { return desc_; }
  bool large_kv() const noexcept { return large_kv_; }
  const decide::AttentionRow& row() const noexcept { return *row_; }
  // The pipeline for calls that are aligned or not; made on first need. in_parts: it writes fp32 output
  // and logsumexp of parts of the keys. Not for the split path, whose calls differ in more (record_split).
  Result<const vulkan::Pipeline*> pipeline(vulkan::DeviceState& device, bool aligned, bool in_parts = false) const;

 private:
  AttentionDesc desc_;
  const decide::AttentionRow* row_;
  bool large_kv_;
  mutable std::array<std::atomic<const vulkan::Pipeline*>, 4> pipelines_{};
};

// The plan for a validated description, from the device's plans or made now; `large_kv`: for calls
// of it that are AttentionShape::large_kv.
Result<const Plan*> find_plan(const Device& device, const AttentionDesc& desc,
                              bool large_kv = false);
// The next find_plan for such a description makes others; these live on for those who have them.
void forget_plans(const Device& device, const AttentionDesc& desc);

}  // namespace weft::attention_detail
