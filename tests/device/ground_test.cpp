// The main sample's network equals PyTorch's: the scores and every layer's attention weights of 16 scenes.
#include <algorithm>
#include <cmath>

#include "device/fixture.hpp"
#include "ground/evaluate.hpp"
#include "ground/model.hpp"
#include "weft/safetensors.hpp"

namespace weft::test {
namespace {

constexpr double kTolerance = 1e-4;
constexpr double kFixedPoint = 65535;  // 16-bit weights are round(weight * 65535)
const std::string kSource = WEFT_SOURCE_DIR;

const ground::Checkpoint& checkpoint() {
  static const ground::Checkpoint loaded =
      must(ground::load_checkpoint(kSource + "/samples/ground/weft_ground.safetensors"));
  return loaded;
}

std::vector<float> values(const Safetensors& file, const std::string& name) {
  const TensorView view = must(file.find(name));
  std::vector<float> result = must(to_float(view));
  if (view.type == ElementType::u16)
    for (float& value : result) value = static_cast<float>(value / kFixedPoint);
  return result;
}

double largest_difference(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double largest = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double difference = std::abs(static_cast<double>(found[i]) - expected[i]);
    largest = difference <= largest ? largest : difference;  // a NaN stays
  }
  return largest;
}

// Rows `scene`, `scene` + 16, ... of [heads][256][256]: what the vectors hold of patch self-attention.
std::vector<float> kept_rows(const std::vector<float>& map, size_t scene) {
  std::vector<float> rows;
  for (size_t head = 0; head < ground::kHeads; ++head)
    for (size_t row = scene; row < ground::kPatches; row += 16) {
      const auto begin = map.begin() + static_cast<std::ptrdiff_t>((head * ground::kPatches + row) * ground::kPatches);
      rows.insert(rows.end(), begin, begin + ground::kPatches);
    }
  return rows;
}

void compare_scene(ground::Model& model, const Safetensors& vectors, size_t scene) {
  const std::string name = (scene < 10 ? "s0" : "s") + std::to_string(scene);
  const auto pixels = values(vectors, name + ".image"), ids = values(vectors, name + ".words");
  const std::vector<uint8_t> rgb(pixels.begin(), pixels.end());
  const std::vector<int32_t> words(ids.begin(), ids.end());
  const auto found = must(model.run(rgb, words));
  const auto maps = must(model.attention_maps(words.size()));
  CAPTURE(name);
  CHECK(largest_difference(found.logits, values(vectors, name + ".logits")) <= kTolerance);
  REQUIRE(maps.size() == 7);
  for (const auto& [layer, map] : maps) {
    CAPTURE(layer);
    const auto expected = values(vectors, name + "." + layer);
    CHECK(largest_difference(layer.starts_with("image") ? kept_rows(map, scene) : map, expected) <= kTolerance);
  }
}

}  // namespace

TEST_CASE("scores and attention weights equal PyTorch's") {
  const auto vectors = must(Safetensors::open(kSource + "/tests/vectors/ground.safetensors"));
  for (const bool plain : {false, true}) {  // also as a device without 16-bit access and without direct access
    ground::Model model = must(ground::Model::make(device({.without_16bit = plain, .without_direct_access = plain}),
                                                   checkpoint()));
    model.set_capture(true);
    for (size_t scene = 0; scene < 16; ++scene) compare_scene(model, vectors, scene);
  }
}

TEST_CASE("other weights give other scores, so that parity means something") {
  const auto vectors = must(Safetensors::open(kSource + "/tests/vectors/ground.safetensors"));
  ground::Checkpoint changed = checkpoint();
  changed.entries.at("text.1.cross.value.bias").values[7] += 0.05f;
  ground::Model model = must(ground::Model::make(device(), changed));
  const auto pixels = values(vectors, "s00.image"), ids = values(vectors, "s00.words");
  const auto found = must(model.run(std::vector<uint8_t>(pixels.begin(), pixels.end()),
                                    std::vector<int32_t>(ids.begin(), ids.end())));
  CHECK(largest_difference(found.logits, values(vectors, "s00.logits")) > kTolerance);
}

TEST_CASE("held-out shapes and colours are found, far better than by any baseline") {
  ground::Model model = must(ground::Model::make(device(), checkpoint()));
  ground::Model noise = must(ground::Model::make(device(), ground::untrained(checkpoint(), 1)));
  const auto result = must(ground::evaluate(model, noise, checkpoint().threshold, {.scenes = 60}));
  REQUIRE(result.phrases > 60);
  REQUIRE(result.scores.size() == 6);
  CHECK(result.scores[0].pointing >= 0.95);
  CHECK(result.scores[0].iou >= 0.6);
  for (size_t baseline = 2; baseline < result.scores.size(); ++baseline) {
    CAPTURE(result.scores[baseline].map);
    CHECK(result.scores[baseline].pointing < result.scores[0].pointing - 0.2);
  }
}

TEST_CASE("wrong weights files are refused by name") {
  ground::Checkpoint missing = checkpoint();
  missing.entries.erase("fuse.cross.key.weight");
  ground::Model model = must(ground::Model::make(device(), missing));
  const auto refused = model.run(std::vector<uint8_t>(64 * 64 * 3), std::vector<int32_t>{0, 1});
  REQUIRE(!refused);
  CHECK(refused.error().message.find("fuse.cross.key.weight") != std::string::npos);
  CHECK(!ground::load_checkpoint(kSource + "/README.md"));
}

}  // namespace weft::test
