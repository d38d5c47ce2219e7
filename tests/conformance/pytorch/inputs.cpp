#include "conformance/pytorch/inputs.hpp"

#include <bit>
#include <cmath>
#include <optional>

namespace weft::test {
namespace {

NamedArray named(std::string name, const reference::Array& array, size_t skipped_axes = 0) {
  NamedArray result{std::move(name), {}, array.values};
  for (size_t axis = skipped_axes; axis < array.shape.size(); ++axis)
    result.shape.push_back(static_cast<uint64_t>(array.shape[axis]));
  return result;
}

template <class Number>
NamedArray named(std::string name, const std::vector<Number>& list) {
  return {std::move(name), {list.size()}, {list.begin(), list.end()}};
}

}  // namespace

std::vector<NamedArray> named_inputs(const reference::AttentionInputs& inputs) {
  std::vector<NamedArray> all{named("query", inputs.query), named("key", inputs.key),
                              named("value", inputs.value)};
  const auto add_array = [&](const char* name, const std::optional<reference::Array>& array,
                             size_t skipped_axes) {
    if (array) all.push_back(named(name, *array, skipped_axes));
  };
  const auto add_list = [&](const char* name, const auto& list) {
    if (!list.empty()) all.push_back(named(name, list));
  };
  add_array("keep_mask", inputs.keep_mask, 0);
  add_array("drop_mask", inputs.drop_mask, 0);
  add_array("bias", inputs.bias, 0);
  add_list("kv_lengths", inputs.kv_lengths);
  add_list("offsets", inputs.position_offsets);
  add_list("q_starts", inputs.q_starts);
  add_list("kv_starts", inputs.kv_starts);
  add_list("sinks", inputs.sinks);
  add_array("null_key", inputs.null_key, 1);
  add_array("null_value", inputs.null_value, 1);
  return all;
}

uint64_t hash_of(const std::vector<NamedArray>& arrays) {
  uint64_t hash = 0xCBF29CE484222325u;
  const auto add = [&hash](uint64_t bits) {
    for (int i = 0; i < 8; ++i) hash = (hash ^ (bits >> (8 * i) & 0xFF)) * 0x100000001B3u;
  };
  for (const NamedArray& array : arrays) {
    for (char letter : array.name) add(static_cast<unsigned char>(letter));
    for (uint64_t size : array.shape) add(size);
    for (double value : array.values)
      add(std::isnan(value) ? 0x7FF8000000000000u : std::bit_cast<uint64_t>(value));
  }
  return hash;
}

}  // namespace weft::test
