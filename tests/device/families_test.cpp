// Every family's block equals what its own public implementation computed: each pair of files in
// tests/vectors/families is a checkpoint with the published names, and inputs with their outputs
// (tests/families makes them).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "device/compare.hpp"
#include "device/fixture.hpp"
#include "weft/checkpoint.hpp"
#include "weft/families.hpp"

namespace weft::test {
namespace {

constexpr double kTolerance = 1e-4;   // of f32
constexpr double kHalfTolerance = 2;  // times what the same implementation loses in half precision
const std::string kVectors = WEFT_SOURCE_DIR "/tests/vectors/families/";

struct Vector {
  std::string name;
  Safetensors io;
  Checkpoint weights;

  std::string said(const char* key) const {
    const auto at = io.metadata().find(key);
    return at == io.metadata().end() ? "" : at->second;
  }
  bool has(const std::string& tensor) const { return io.tensors().contains(tensor); }
  std::vector<float> values(const std::string& tensor) const {
    return must(to_float(must(io.find(tensor))));
  }
};

std::vector<Vector> vectors() {
  const std::string ending = ".io.safetensors";
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kVectors))
    if (const std::string file = entry.path().filename().string(); file.ends_with(ending))
      names.insert(file.substr(0, file.size() - ending.size()));
  std::vector<Vector> out;
  for (const std::string& name : names)
    out.push_back({name, must(Safetensors::open(kVectors + name + ending)),
                   must(Checkpoint::open(kVectors + name + ".safetensors"))});
  return out;
}

FamilyOptions options_of(const Vector& vector, DType dtype) {
  const auto number = [&](const char* key) {
    const std::string text = vector.said(key);
    return text.empty() ? 0.0 : std::stod(text);
  };
  return {.heads = static_cast<uint32_t>(number("heads")),
          .kv_heads = static_cast<uint32_t>(number("kv_heads")),
          .epsilon = static_cast<float>(number("epsilon")),
          .scale = static_cast<float>(number("scale")),
          .chunk_len = static_cast<int64_t>(number("chunk_len")),
          .dtype = dtype};
}

Dims dims_of(const std::vector<uint64_t>& shape) {
  const auto at = [&](size_t axis) { return static_cast<int64_t>(shape.at(axis)); };
  switch (shape.size()) {
    case 1:
      return {at(0)};
    case 2:
      return {at(0), at(1)};
    case 3:
      return {at(0), at(1), at(2)};
    default:
      return {at(0), at(1), at(2), at(3)};
  }
}

// A tensor of the vector on the device, converted to `dtype`; empty where the vector has none.
Tensor put(const Device& device, const Vector& vector, const std::string& name, DType dtype) {
  if (!vector.has(name)) return {};
  const Checkpoint source(vector.io);
  const Tensor tensor =
      must(device.tensor(dtype, dims_of(vector.io.tensors().find(name)->second.shape)));
  std::vector<std::byte> bytes(tensor.extent_bytes());
  if (dtype == DType::u8) {
    const auto data = must(vector.io.find(name)).data;
    bytes.assign(data.begin(), data.end());
  } else {
    must(source.read(name, dtype, 0, bytes));
  }
  must(device.upload(tensor, bytes));
  return tensor;
}

Tensor empty_like(const Device& device, const Vector& vector, const std::string& name,
                  DType dtype) {
  if (!vector.has(name)) return {};
  return must(device.tensor(dtype, dims_of(vector.io.tensors().find(name)->second.shape)));
}

FusionCall call_of(const Device& device, const Vector& vector, DType dtype) {
  const auto rows = [&](const std::string& name) { return put(device, vector, name, dtype); };
  const auto numbers = [&](const std::string& name) {
    return put(device, vector, name, DType::f32);
  };
  const auto ids = [&](const std::string& name) { return put(device, vector, name, DType::i32); };
  FusionCall call{.query = rows("query"),
                  .context = rows("context"),
                  .output = empty_like(device, vector, "output", dtype),
                  .context_output = empty_like(device, vector, "context_output", dtype),
                  .query_position = rows("query_position"),
                  .context_position = rows("context_position"),
                  .query_angles = numbers("query_angles"),
                  .key_angles = numbers("key_angles"),
                  .attention = {},
                  .swapped_attention = {},
                  .row_factors = numbers("row_factors"),
                  .feed_forward_factors = numbers("feed_forward_factors"),
                  .more_sources = {},
                  .attend = {}};
  call.attention.kv_lengths = ids("kv_lengths");
  call.attention.keep_mask = put(device, vector, "keep_mask", DType::u8);
  call.swapped_attention.keep_mask = put(device, vector, "swapped_keep_mask", DType::u8);
  call.attention.bias = numbers("bias");
  call.attention.query_regions = ids("query_regions");
  call.attention.key_regions = ids("key_regions");
  for (int i = 1; vector.has("context." + std::to_string(i)); ++i) {
    const std::string number = "." + std::to_string(i);
    SourceCall& source = call.more_sources.emplace_back();
    source.context = rows("context" + number);
    source.row_factors = numbers("row_factors" + number);
    if (const Tensor factor = numbers("factor" + number)) source.gate = {GateKind::value, factor};
  }
  return call;
}

std::vector<float> fetch(const Device& device, const Tensor& tensor) {
  if (tensor.dtype == DType::f32) return must(device.download<float>(tensor));
  std::vector<float> values;
  for (const uint16_t bits : must(device.download<uint16_t>(tensor)))
    values.push_back(from_f16(bits));
  return values;
}

// The error of each output there is.
std::map<std::string, double> errors(const Device& device, const Vector& vector, DType dtype) {
  const FusionStack stack = must(load_family(device, vector.weights, vector.said("family"),
                                             vector.said("prefix"), options_of(vector, dtype)));
  const FusionCall call = call_of(device, vector, dtype);
  Recorder recorder(device);
  must(fuse(recorder, stack, call));
  must(must(recorder.submit()).wait());
  std::map<std::string, double> out;
  for (const auto& [name, tensor] :
       {std::pair("output", call.output), {"context_output", call.context_output}})
    if (tensor) out[name] = largest_difference(fetch(device, tensor), vector.values(name));
  return out;
}

TEST_CASE("each family's block gives its own implementation's outputs") {
  for (const Vector& vector : vectors()) {
    const auto single = errors(device(), vector, DType::f32);
    const auto half = errors(device(), vector, DType::f16);
    for (const auto& [output, error] : single) {
      const double theirs =
          largest_difference(vector.values(output + "_half"), vector.values(output));
      std::printf("%-24s %-14s f32 %.1e  f16 %.1e, its own %.1e  (%s)\n", vector.name.c_str(),
                  output.c_str(), error, half.at(output), theirs, vector.said("source").c_str());
      CAPTURE(vector.name, output);
      CHECK(error <= kTolerance);
      CHECK(half.at(output) <= kHalfTolerance * theirs);
    }
  }
}

TEST_CASE("each family has a vector, and each vector's checkpoint is recognised") {
  std::set<std::string> with_vector;
  for (const Vector& vector : vectors()) {
    CAPTURE(vector.name);
    with_vector.insert(vector.said("family"));
    const auto blocks = find_blocks(vector.weights);
    REQUIRE(blocks.size() == 1);
    CHECK(blocks[0].family == vector.said("family"));
    CHECK(blocks[0].prefix == vector.said("prefix"));
    CHECK(blocks[0].missing.empty());
    CHECK(blocks[0].wrong.empty());
  }
  for (const FamilyInfo& family : families()) {
    CAPTURE(family.name);
    CHECK(with_vector.contains(family.name));
  }
}

TEST_CASE("a checkpoint that lacks a tensor, or heads that don't fit, load nothing") {
  const Checkpoint bart = must(Checkpoint::open(kVectors + "bart.safetensors"));
  const auto refused = [&](std::string_view family, std::string_view prefix, FamilyOptions options,
                           std::string_view says) {
    const auto stack = load_family(device(), bart, family, prefix, options);
    REQUIRE(!stack);
    CAPTURE(stack.error().message);
    CHECK(stack.error().code == Code::invalid_argument);
    CHECK(stack.error().message.find(says) != std::string::npos);
  };
  refused("bert", "", {}, "there is no family \"bert\"; there are bart, blip,");
  refused("t5", "model.", {}, "nothing of it is in the source");
  refused("bart", "model.decoder.layers.7.", {.heads = 3},
          "nothing of it is there; the source has it at \"model.decoder.layers.0.\"");
  refused("bart", "model.decoder.layers.0.", {}, "heads must be given");
  refused("bart", "model.decoder.layers.0.", {.heads = 5}, "heads is 5");
  refused("bart", "model.decoder.layers.0.", {.heads = 4, .kv_heads = 3},
          "kv_heads is 3, heads is 4");
  refused("bart", "model.decoder.layers.0.", {.heads = 3, .dtype = DType::i32}, "dtype is i32");
  refused("bart", "model.decoder.layers.0.", {.heads = 3, .epsilon = -1}, "epsilon is -1");
}

// More than one piece, with odd numbers of elements in each.
class Ramp final : public TensorSource {
 public:
  static constexpr int64_t kDim = 1500;
  std::vector<std::string> names() const override {
    return {"a.EncDecAttention.k.weight", "a.EncDecAttention.o.weight",
            "a.EncDecAttention.q.weight", "a.EncDecAttention.v.weight", "a.layer_norm.weight"};
  }
  bool contains(std::string_view name) const override { return name.starts_with("a."); }
  Result<std::vector<int64_t>> shape(std::string_view name) const override {
    if (name.ends_with("norm.weight")) return std::vector<int64_t>{kDim};
    return std::vector<int64_t>{kDim, kDim};
  }
  // Element i of tensor n is (i + n) mod 1021, exact in f16.
  static float value(std::string_view name, uint64_t i) {
    return static_cast<float>((i + static_cast<uint64_t>(name[name.size() - 8])) % 1021);
  }
  Result<void> read(std::string_view name, DType dtype, uint64_t first,
                    std::span<std::byte> out) const override {
    largest_piece = std::max(largest_piece, out.size());
    for (size_t i = 0; i < out.size() / size_bytes(dtype); ++i) {
      const float number = value(name, first + i);
      const uint16_t bits = to_f16(number);
      if (dtype == DType::f32)
        std::memcpy(out.data() + 4 * i, &number, 4);
      else
        std::memcpy(out.data() + 2 * i, &bits, 2);
    }
    return {};
  }
  mutable size_t largest_piece = 0;
};

TEST_CASE("weights are streamed in pieces, keys and values one behind the other") {
  const Ramp source;
  for (const DType dtype : {DType::f32, DType::f16}) {
    const FusionStack stack =
        must(load_family(device(), source, "t5", "a.", {.heads = 10, .dtype = dtype}));
    CHECK(source.largest_piece <= size_t{4} << 20);
    const CrossAttentionBlock& block = stack.steps.at(0).block;
    CHECK(block.scale == 1.0f);
    CHECK(block.query_norm.kind == NormKind::rms);
    CHECK(block.query_norm.weight.dtype == DType::f32);
    CHECK(block.key.weight.dtype == dtype);
    CHECK(block.key.weight.buffer.state() == block.value.weight.buffer.state());
    CHECK(block.key.weight.offset_bytes + block.key.weight.extent_bytes() ==
          block.value.weight.offset_bytes);
    for (const auto& [name, weight] : {std::pair("a.EncDecAttention.k.weight", block.key.weight),
                                       {"a.EncDecAttention.v.weight", block.value.weight},
                                       {"a.EncDecAttention.o.weight", block.out.weight}}) {
      const std::vector<float> found = fetch(device(), weight);
      size_t different = 0;
      for (size_t i = 0; i < found.size(); ++i) different += found[i] != Ramp::value(name, i);
      CAPTURE(name);
      CHECK(different == 0);
    }
  }
}

}  // namespace
}  // namespace weft::test
