// The caller's callback in place of an attention.
#include <array>

#include "capi/fusion.hpp"

namespace weft::capi {
namespace {

// A call as C sees it. Its buffers are handles that it releases in the end.
class ShownCall {
 public:
  ShownCall() = default;
  ~ShownCall() {
    for (const weft_tensor& tensor : tensors_) release(tensor.buffer);
  }
  ShownCall(const ShownCall&) = delete;
  ShownCall& operator=(const ShownCall&) = delete;

  Result<const weft_attention_call*> show(Function function, const HostAllocator& allocator,
                                          const AttentionCall& from) {
    call_.struct_size = sizeof call_;
    show_numbers(from);
    const std::pair<const Tensor*, const weft_tensor**> fields[kTensors] = {
        {&from.query, &call_.query},
        {&from.key, &call_.key},
        {&from.value, &call_.value},
        {&from.output, &call_.output},
        {&from.logsumexp, &call_.logsumexp},
        {&from.keep_mask, &call_.keep_mask},
        {&from.drop_mask, &call_.drop_mask},
        {&from.bias, &call_.bias},
        {&from.kv_lengths, &call_.kv_lengths},
        {&from.position_offsets, &call_.position_offsets},
        {&from.q_starts, &call_.q_starts},
        {&from.kv_starts, &call_.kv_starts},
        {&from.query_regions, &call_.query_regions},
        {&from.key_regions, &call_.key_regions},
        {&from.region_mask, &call_.region_mask},
        {&from.sinks, &call_.sinks},
        {&from.null_key, &call_.null_key},
        {&from.null_value, &call_.null_value},
        {&from.score_items, &call_.score_items},
        {&from.value_items, &call_.value_items},
        {&from.weights, &call_.weights}};
    for (size_t i = 0; i < kTensors; ++i) {
      if (!*fields[i].first) continue;
      tensors_[i].struct_size = sizeof(weft_tensor);
      WEFT_TRY(write_tensor(function, allocator, *fields[i].first, &tensors_[i]));
      *fields[i].second = &tensors_[i];
    }
    return &call_;
  }

 private:
  static constexpr size_t kTensors = 21;

  void show_numbers(const AttentionCall& from) {
    call_.scale = from.scale;
    call_.softcap = from.softcap;
    call_.position_offset = from.position_offset;
    call_.max_q_len = from.max_q_len;
    call_.max_kv_len = from.max_kv_len;
    if (from.causal) call_.flags |= WEFT_ATTENTION_CAUSAL;
    if (from.window_left >= 0) {
      call_.flags |= WEFT_ATTENTION_LIMIT_LEFT;
      call_.window_left = from.window_left;
    }
    if (from.window_right >= 0) {
      call_.flags |= WEFT_ATTENTION_LIMIT_RIGHT;
      call_.window_right = from.window_right;
    }
  }

  weft_attention_call call_{};
  std::array<weft_tensor, kTensors> tensors_{};
};

}  // namespace

AttentionFunction to_function(Function function, weft_recorder* recorder,
                              weft_attend_callback attend, void* user) {
  if (!attend) return {};
  return [=](Recorder&, const AttentionCall& call) -> Result<void> {
    ShownCall shown;
    WEFT_ASSIGN(const weft_attention_call* in_c, shown.show(function, recorder->allocator, call));
    weft_error error{};
    const bool lent_before = recorder->lent;  // a callback may record blocks of its own
    recorder->lent = true;
    const weft_status status = attend(user, recorder, in_c, &error);
    recorder->lent = lent_before;
    return returned(function, "attend", status, error);
  };
}

}  // namespace weft::capi
