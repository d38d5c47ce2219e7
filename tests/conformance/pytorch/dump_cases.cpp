// Writes the inputs of attention case lines, bit for bit what the tests run, for make_vectors.py:
//   dump_cases inputs.safetensors file.txt ...
// Lines with regions or separate items of scores and values are refused.
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "conformance/pytorch/inputs.hpp"
#include "reference/problem.hpp"
#include "weft/safetensors.hpp"

namespace {

using namespace weft;

nlohmann::json facts_of(const cases::AttentionCase& c, const reference::AttentionInputs& inputs,
                        const std::vector<test::NamedArray>& arrays) {
  const double scale =
      inputs.scale == 0.0 ? 1.0 / std::sqrt(static_cast<double>(c.head_dim)) : inputs.scale;
  const bool plainly_causal = inputs.causal && inputs.position_offset == 0 && arrays.size() == 3 &&
                              inputs.window_left < 0 && inputs.window_right < 0;
  std::vector<std::string> names;
  for (const test::NamedArray& array : arrays) names.push_back(array.name);
  return {{"line", cases::print(c)},
          {"hash", std::to_string(test::hash_of(arrays))},
          {"type", to_string(c.query)},
          {"tensors", names},
          {"batch", inputs.items},
          {"heads", inputs.heads},
          {"scale", scale},
          {"softcap", inputs.softcap},
          {"offset", inputs.position_offset},
          {"causal", inputs.causal},
          {"is_plainly_causal", plainly_causal},
          {"window_left", inputs.window_left},
          {"window_right", inputs.window_right},
          {"max_q_len", inputs.max_q_len},
          {"max_kv_len", inputs.max_kv_len},
          {"has_logsumexp", c.logsumexp}};
}

// All lines, with the memory that the file's tensors view.
struct Dump {
  std::vector<std::vector<float>> memory;
  std::map<std::string, TensorView> tensors;
  Metadata metadata;

  void add(const cases::AttentionCase& c) {
    const std::string number = std::to_string(metadata.size());
    const cases::AttentionProblem problem = cases::make_problem(c);
    const auto arrays = test::named_inputs(problem.inputs);
    metadata[number] = facts_of(c, problem.inputs, arrays).dump();
    for (const test::NamedArray& array : arrays) {
      // Values of every type are exact as f32.
      memory.emplace_back(array.values.begin(), array.values.end());
      tensors[number + "." + array.name] = {ElementType::f32, array.shape,
                                            std::as_bytes(std::span<const float>(memory.back()))};
    }
  }
};

int fail(const std::string& message) {
  std::fprintf(stderr, "dump_cases: %s\n", message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return fail("needs the file to write and files of case lines");
  Dump dump;
  for (int i = 2; i < argc; ++i) {
    const auto all = cases::read_file(argv[i]);
    if (!all) return fail(all.error().message);
    for (const cases::Case& any : *all) {
      const auto* c = std::get_if<cases::AttentionCase>(&any);
      if (!c || c->regions != cases::Regions::none || c->score_items > 0 || c->value_items > 0)
        return fail("can't write " + cases::print(any));
      dump.add(*c);
    }
  }
  dump.metadata["lines"] = std::to_string(dump.metadata.size());
  const auto written = write_safetensors(argv[1], dump.tensors, dump.metadata);
  return written ? 0 : fail(written.error().message);
}
