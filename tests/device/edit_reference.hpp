// Attention editing by its definitions, in fp64, with every weight held: what attention_edit_test compares with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weft/attention_edit.hpp"
#include "weft/recorder.hpp"

namespace weft::test {

// What a test's attention has; values are random, rounded to the type.
struct EditCase {
  std::string name;
  DType dtype = DType::f32;
  int64_t batch = 2, heads = 4, kv_heads = 4, q_len = 9, kv_len = 11, head_dim = 16, value_dim = 16;
  int64_t key_batch = 0;      // 0: batch
  int64_t value_kv_heads = 0;  // 0: kv_heads
  bool lengths = false;       // items use all, all - 1, ... keys
  bool drop_mask = false;
  int64_t bias_batch = 0, bias_heads = 0, bias_rows = 0;  // 0: no bias
  int64_t bias_columns = 0;                               // 0: kv_len
  int64_t null_len = 0;
  bool sinks = false;
  float softcap = 0.0f;
  bool head_rows = false;  // tensors are [batch, length, heads * dim] in memory
};

struct EditInputs {
  std::vector<float> query, key, value, bias, null_key, null_value, sinks;
  std::vector<uint8_t> drop;     // [batch][1][q_len][kv_len]
  std::vector<int32_t> lengths;  // [batch]
};

EditInputs make_inputs(const EditCase& shape);
// The call with its inputs on the device and an output of its own.
Result<AttentionCall> make_call(const Device& device, const EditCase& shape, const EditInputs& inputs);
// [batch][heads][q_len][value_dim]
std::vector<double> reference(const EditCase& shape, const EditInputs& inputs, const AttentionEdits& edits,
                              const EditPlace& place);
// The call's output as floats in that order.
Result<std::vector<float>> read_output(const Device& device, const EditCase& shape, const AttentionCall& call);

}  // namespace weft::test
