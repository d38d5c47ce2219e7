// The main sample's network equals PyTorch's: the scores and every layer's attention weights of 16 scenes.
// How well it answers is a matter of its weights, not of the driver: those tests, [quality], take minutes on slow ones.
#include <algorithm>
#include <cmath>

#include "device/compare.hpp"
#include "device/fixture.hpp"
#include "ground/evaluate.hpp"
#include "ground/metrics.hpp"
#include "ground/model.hpp"
#include "ground/scenes.hpp"
#include "ground/vocabulary.hpp"
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

// Mean shares of the answers' mass inside two objects.
struct Masses {
  double first = 0, second = 0;
  int count = 0;

  void add(const ground::Grounding& found, const ground::Scene& scene, int32_t one, int32_t other) {
    const double inside = ground::measure(found.probabilities, scene.mask(one), checkpoint().threshold).mass_inside;
    const double beside = ground::measure(found.probabilities, scene.mask(other), checkpoint().threshold).mass_inside;
    first += (inside - first) / ++count;
    second += (beside - second) / count;
  }
};

// The one other object that a phrase without relation would mean if its colour were another, or -1.
int32_t other_in_colour(const ground::Scene& scene, const ground::Phrase& phrase) {
  int32_t found = -1;
  if (phrase.relation != ground::Relation::none || !phrase.head.colour) return -1;
  for (size_t i = 0; i < scene.objects.size(); ++i) {
    ground::Description described = phrase.head;
    described.colour = scene.objects[i].colour;
    if (static_cast<int32_t>(i) == phrase.referent || !ground::matches(described, scene.objects[i])) continue;
    if (found >= 0) return -1;
    found = static_cast<int32_t>(i);
  }
  return found;
}

int32_t id_of(auto value) { return ground::word_id(ground::to_string(value)); }

size_t place_of(const std::vector<int32_t>& words, int32_t id) {
  return static_cast<size_t>(std::find(words.begin(), words.end(), id) - words.begin());
}

// Phrases of a colour that one object has and a shape that another has, while nothing has both: calls
// visit(scene, words, the object of the colour, the object of the shape).
void for_each_contradiction(uint64_t scenes, auto visit) {
  for (uint64_t seed = 1; seed <= scenes; ++seed) {
    const ground::Scene scene = ground::make_scene(seed, ground::Split::test);
    const auto count = static_cast<int32_t>(scene.objects.size());
    for (int32_t a = 0; a < count; ++a)
      for (int32_t b = 0; b < count; ++b) {
        const auto colour = scene.objects[static_cast<size_t>(a)].colour;
        const auto shape = scene.objects[static_cast<size_t>(b)].shape;
        const auto colours = std::ranges::count(scene.objects, colour, &ground::Object::colour);
        const auto shapes = std::ranges::count(scene.objects, shape, &ground::Object::shape);
        if (a == b || colours != 1 || shapes != 1) continue;
        visit(scene, std::vector<int32_t>{ground::word_id("the"), id_of(colour), id_of(shape)}, a, b);
      }
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

TEST_CASE("held-out shapes and colours are found, far better than by any baseline", "[quality]") {
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

TEST_CASE("a replaced word moves the answer to what the new word says", "[quality]") {
  ground::Model model = must(ground::Model::make(device(), checkpoint()));
  Masses before, after;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const ground::Scene scene = ground::make_scene(seed, ground::Split::test);
    for (const ground::Phrase& phrase : scene.phrases) {
      const int32_t other = other_in_colour(scene, phrase);
      if (other < 0) continue;
      std::vector<int32_t> words = phrase.words;
      words[place_of(words, id_of(*phrase.head.colour))] = id_of(scene.objects[static_cast<size_t>(other)].colour);
      before.add(must(model.run(scene.image, phrase.words)), scene, phrase.referent, other);
      after.add(must(model.run(scene.image, phrase.words, {.words = words})), scene, phrase.referent, other);
    }
  }
  CAPTURE(before.count, before.first, before.second, after.first, after.second);
  CHECK(before.count >= 30);
  CHECK(before.first >= 0.7);
  CHECK(before.second <= 0.02);
  CHECK(after.first <= 0.02);
  CHECK(after.second >= 0.65);
}

TEST_CASE("a word of factor 0 is not heard: the answer is where the other words point", "[quality]") {
  ground::Model model = must(ground::Model::make(device(), checkpoint()));
  Masses plain, no_colour, no_shape, more_colour, more_shape;
  for_each_contradiction(30, [&](const ground::Scene& scene, const std::vector<int32_t>& words, int32_t a, int32_t b) {
    const auto add = [&](Masses& masses, const ground::Edit& edit) {
      masses.add(must(model.run(scene.image, words, edit)), scene, a, b);
    };
    add(plain, {});
    add(no_colour, {.factors = {1, 0, 1}});
    add(no_shape, {.factors = {1, 1, 0}});
    add(more_colour, {.factors = {1, 10, 1}});
    add(more_shape, {.factors = {1, 1, 10}});
  });
  CAPTURE(plain.count, plain.first, plain.second, more_colour.first, more_colour.second, more_shape.first,
          more_shape.second);
  CHECK(plain.count >= 10);
  CHECK(no_colour.first <= 0.02);
  CHECK(no_colour.second >= 0.65);
  CHECK(no_shape.first >= 0.65);
  CHECK(no_shape.second <= 0.02);
  CHECK(more_colour.first > plain.first + 0.1);
  CHECK(more_colour.second < plain.second - 0.1);
  CHECK(more_shape.second > plain.second + 0.03);
  CHECK(more_shape.first < plain.first - 0.03);
}

TEST_CASE("edits that change nothing leave the answer") {
  ground::Model model = must(ground::Model::make(device(), checkpoint()));
  const ground::Scene scene = ground::make_scene(7, ground::Split::test);
  const std::vector<int32_t>& words = scene.phrases[0].words;
  const auto plain = must(model.run(scene.image, words));
  const auto ones = must(model.run(scene.image, words, {.factors = std::vector<float>(words.size(), 1.0f)}));
  CHECK(ones.logits == plain.logits);
  const auto same = must(model.run(scene.image, words, {.words = words}));
  CHECK(largest_difference(same.logits, plain.logits) <= kTolerance);
  const auto wrong = model.run(scene.image, words, {.factors = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f, 7.0f, 8.0f, 9.0f, 10.0f, 11.0f, 12.0f}});
  REQUIRE(!wrong);
  CHECK(wrong.error().message.find("the edit has 12 factors") != std::string::npos);
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
