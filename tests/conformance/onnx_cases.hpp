// The stored node tests of ONNX's Attention operator (see onnx/README.md).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "conformance/onnx_attention.hpp"
#include "weft/safetensors.hpp"

namespace weft::onnx {

struct OnnxCase {
  std::string name;
  int opset = 0;
  AttentionAttributes attributes;
  AttentionInputs inputs;
  // By the operator's names; also those of the 16-bit cases in fp32, whose names end in ".f32".
  std::map<std::string, TensorView> outputs;
};

struct OnnxSuite {
  Safetensors file;  // keeps the cases' tensors
  double rtol = 0.0, atol = 0.0;
  std::vector<OnnxCase> cases;

  const OnnxCase* find(const std::string& name) const;
};

// Errors: those of Safetensors::open; invalid_argument for an attribute, input or output that the
// adapter doesn't know, so that nothing stored is passed over.
Result<OnnxSuite> read_suite(const std::string& path);

}  // namespace weft::onnx
