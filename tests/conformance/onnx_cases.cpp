#include "conformance/onnx_cases.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace weft::onnx {
namespace {

using Json = nlohmann::json;

Result<void> set_attribute(AttentionAttributes& attributes, const std::string& name,
                           const Json& value) {
  if (name == "is_causal")
    attributes.is_causal = value.get<int>() != 0;
  else if (name == "scale")
    attributes.scale = value.get<float>();
  else if (name == "softcap")
    attributes.softcap = value.get<float>();
  else if (name == "q_num_heads")
    attributes.q_num_heads = value.get<int64_t>();
  else if (name == "kv_num_heads")
    attributes.kv_num_heads = value.get<int64_t>();
  else if (name == "qk_matmul_output_mode")
    attributes.qk_matmul_output_mode = value.get<int64_t>();
  else if (name == "left_window_size")
    attributes.left_window_size = value.get<int64_t>();
  else if (name == "right_window_size")
    attributes.right_window_size = value.get<int64_t>();
  else if (name != "softmax_precision")  // fp32 whatever it says
    return fail(Code::invalid_argument, "unknown attribute " + name);
  return {};
}

Result<void> set_tensor(OnnxCase& c, const std::string& name, const TensorView& view) {
  const std::map<std::string, TensorView*> required = {
      {"Q", &c.inputs.query}, {"K", &c.inputs.key}, {"V", &c.inputs.value}};
  const std::map<std::string, std::optional<TensorView>*> optional = {
      {"attn_mask", &c.inputs.attn_mask},
      {"past_key", &c.inputs.past_key},
      {"past_value", &c.inputs.past_value},
      {"nonpad_kv_seqlen", &c.inputs.nonpad_kv_seqlen}};
  if (const auto slot = required.find(name); slot != required.end())
    *slot->second = view;
  else if (const auto slot = optional.find(name); slot != optional.end())
    *slot->second = view;
  else if (name == "Y" || name == "Y.f32" || name == "present_key" || name == "present_value" ||
           name == "qk_matmul_output" || name == "qk_matmul_output.f32")
    c.outputs[name] = view;
  else
    return fail(Code::invalid_argument, c.name + ": unknown tensor " + name);
  return {};
}

}  // namespace

const OnnxCase* OnnxSuite::find(const std::string& name) const {
  for (const OnnxCase& c : cases)
    if (c.name == name) return &c;
  return nullptr;
}

Result<OnnxSuite> read_suite(const std::string& path) {
  WEFT_ASSIGN(Safetensors file, Safetensors::open(path));
  const auto entry = file.metadata().find("onnx_attention");
  if (entry == file.metadata().end())
    return fail(Code::invalid_argument, path + ": no onnx_attention in its metadata");
  const Json notes = Json::parse(entry->second);
  OnnxSuite suite{.file = std::move(file), .rtol = notes.at("rtol"), .atol = notes.at("atol")};
  std::map<std::string, OnnxCase> cases;
  for (const auto& [name, note] : notes.at("cases").items()) {
    OnnxCase& c = cases[name];
    c.name = name;
    c.opset = note.at("opset");
    for (const auto& [attribute, value] : note.at("attributes").items())
      WEFT_TRY(set_attribute(c.attributes, attribute, value));
  }
  for (const auto& [path_in_file, info] : suite.file.tensors()) {
    const size_t slash = path_in_file.find('/');
    const auto found = cases.find(path_in_file.substr(0, slash));
    if (slash == std::string::npos || found == cases.end())
      return fail(Code::invalid_argument, path + ": " + path_in_file + " belongs to no case");
    WEFT_ASSIGN(const TensorView view, suite.file.find(path_in_file));
    WEFT_TRY(set_tensor(found->second, path_in_file.substr(slash + 1), view));
  }
  for (auto& [name, c] : cases) suite.cases.push_back(std::move(c));
  return suite;
}

}  // namespace weft::onnx
