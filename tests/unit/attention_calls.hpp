// Calls that attention accepts, for tests that change one thing in them.
#pragma once

#include <string>

#include "attention/validate.hpp"
#include "fake_tensor.hpp"

namespace weft::test {

// batch 2, heads 8 over kv_heads 4, q_len 16, kv_len 77, head_dim 64, value_dim 32
inline AttentionCall valid_call() {
  AttentionCall call;
  call.query = fake_tensor(DType::f16, {2, 8, 16, 64});
  call.key = fake_tensor(DType::f16, {2, 4, 77, 64});
  call.value = fake_tensor(DType::f16, {2, 4, 77, 32});
  call.output = fake_tensor(DType::f32, {2, 8, 16, 32});
  return call;
}

inline AttentionCall full_call() {
  AttentionCall call = valid_call();
  call.keep_mask = fake_tensor(DType::u8, {1, 8, 1, 77});
  call.kv_lengths = fake_tensor(DType::i32, {2});
  call.logsumexp = fake_tensor(DType::f32, {2, 8, 16});
  call.weights = fake_tensor(DType::f32, {2, 8, 16, 77});
  return call;
}

// The refusal of a full call after a change to it.
template <class Change>
std::string refusal(Change change) {
  AttentionCall call = full_call();
  change(call);
  return message(describe(call));
}

}  // namespace weft::test
