// Pictures of words against PyTorch's and diffusers' numbers (tests/families/make_maps.py).
#include "stored_vectors.hpp"
#include "weft/attention_map.hpp"

using namespace weft;
using namespace weft::test;

namespace {

template <class T>
std::string refusal(const Result<T>& result) {
  return result ? "none" : result.error().message;
}

// Item 1 of two is the stored one.
LayerMap layer_of(const StoredVectors& stored, const std::string& name, uint32_t number) {
  LayerMap map{number, 2, stored.side(name, 0), stored.side(name, 1), stored.side(name, 2), 1, 1, {}};
  const std::vector<float> values = stored.floats(name);
  map.values.assign(values.size(), 9.0f);
  map.values.insert(map.values.end(), values.begin(), values.end());
  return map;
}

LayerMap mean_of_heads(const LayerMap& map) {
  LayerMap mean{map.layer, map.items, 1, map.q_len, map.words, map.heads, 1, {}};
  const auto size = static_cast<size_t>(map.q_len * map.words);
  mean.values.assign(static_cast<size_t>(map.items) * size, 0.0f);
  for (size_t i = 0; i < map.values.size(); ++i)
    mean.values[i / (size * static_cast<size_t>(map.heads)) * size + i % size] +=
        map.values[i] / static_cast<float>(map.heads);
  return mean;
}

std::vector<LayerMap> daam_layers(const StoredVectors& stored) {
  return {layer_of(stored, "daam.small", 3), layer_of(stored, "daam.large", 5)};
}

}  // namespace

TEST_CASE("resize_bicubic: PyTorch's numbers, larger and smaller") {
  const StoredVectors stored("maps");
  for (const std::string name : {"bicubic.0", "bicubic.1", "bicubic.2", "bicubic.3"}) {
    INFO(name);
    const std::string in = name + ".input", out = name + ".output";
    const auto resized = resize_bicubic(stored.floats(in), stored.side(in, 0), stored.side(in, 1),
                                        stored.side(out, 0), stored.side(out, 1));
    REQUIRE(resized);
    CHECK(distance(*resized, stored.floats(out)) < 5e-6);  // PyTorch finds places in fp32
  }
}

TEST_CASE("mean_maps: DAAM's pictures, shares and words") {
  const StoredVectors stored("maps");
  auto maps = mean_maps(daam_layers(stored), 1, 10, 15);
  REQUIRE(maps);
  CHECK(maps->words == 5);
  CHECK(maps->height == 10);
  CHECK(maps->width == 15);
  CHECK(distance(maps->values, stored.floats("daam.output")) < 1e-6);

  auto words = group_words(*maps, {{0, 3}, {2}});
  REQUIRE(words);
  CHECK(words->words == 2);
  CHECK(distance(words->values, stored.floats("daam.words")) < 1e-6);
  scale_to_range(*words);
  CHECK(distance(words->values, stored.floats("daam.range")) < 1e-5);

  normalize_over_words(*maps);
  CHECK(distance(maps->values, stored.floats("daam.normalized")) < 1e-5);
}

TEST_CASE("mean_maps: heads that were averaged before weigh as many as they are") {
  const StoredVectors stored("maps");
  std::vector<LayerMap> layers = daam_layers(stored);
  for (LayerMap& map : layers) {
    for (float& value : map.values) value += 1.0f;  // so that nothing is clamped
  }
  const std::vector<float> each = mean_maps(layers, 1, 10, 15)->values;
  for (LayerMap& map : layers) map = mean_of_heads(map);
  CHECK(distance(mean_maps(layers, 1, 10, 15)->values, each) < 2e-6);
  layers[0].heads_in_mean = 1;
  CHECK(distance(mean_maps(layers, 1, 10, 15)->values, each) > 1e-3);
}

TEST_CASE("excite_maps: diffusers' pictures, from each head and from averages") {
  const StoredVectors stored("maps");
  const std::vector<float> expected = stored.floats("excite.output");
  std::vector<LayerMap> layers{layer_of(stored, "excite.first", 0), layer_of(stored, "excite.second", 1)};
  LayerMap other = layers[0];  // of another resolution: passed over
  other.q_len = 15;
  other.values.resize(other.values.size() / 2);
  layers.push_back(other);
  const auto maps = excite_maps(layers, 1, 6, 5);
  REQUIRE(maps);
  CHECK(maps->words == 7);
  CHECK(distance(maps->values, expected) < 2e-5);
  for (LayerMap& map : layers) map = mean_of_heads(map);
  CHECK(distance(excite_maps(layers, 1, 6, 5)->values, expected) < 2e-5);
  CHECK(distance(excite_maps(layers, 1, 6, 5, {.smooth = false})->values, expected) > 1e-3);
  CHECK(excite_maps(layers, 1, 6, 5, {.first_word = 2, .last_words = 0})->words == 7);
}

TEST_CASE("word maps: bad input by name") {
  const StoredVectors stored("maps");
  const std::vector<float> six(6);
  CHECK(refusal(resize_bicubic(six, 2, 2, 4, 4)) == "resize_bicubic: map has 6 values; it must have 4");
  CHECK(refusal(resize_bicubic(six, 2, 3, 0, 4)) ==
        "resize_bicubic: the picture is 0 x 4; both sides must be 1 to 2147483647");
  std::vector<LayerMap> layers = daam_layers(stored);
  CHECK(refusal(mean_maps({}, 0, 8, 8)) == "mean_maps: layers is empty; there must be at least one");
  CHECK(refusal(mean_maps(layers, 2, 8, 12)) == "mean_maps: item is 2; layer 3 has 2");
  CHECK(refusal(mean_maps(layers, -1, 8, 12)) == "mean_maps: item is -1; layer 3 has 2");
  CHECK(refusal(mean_maps(layers, 0, 8, 8)) ==
        "mean_maps: layer 3 has 24 rows, which have no sides in the ratio of 8 to 8");
  CHECK(refusal(excite_maps(layers, 0, 16, 16)) == "excite_maps: no layer has 16 x 16 rows");
  CHECK(refusal(excite_maps(layers, 0, 1, 24)) ==
        "excite_maps: the picture is 1 x 24; to be smoothed its sides must be at least 2");
  CHECK(refusal(excite_maps(layers, 0, 4, 6, {.first_word = 4})) ==
        "excite_maps: of 5 words, 4 are dropped at the beginning and 1 at the end; at least one must be left");
  layers[1].words = 4;
  CHECK(refusal(mean_maps(layers, 0, 8, 12)) == "mean_maps: layer 5 has 4 words, layer 3 has 5");
  layers[1].words = 5;
  layers[1].values.pop_back();
  CHECK(refusal(mean_maps(layers, 0, 8, 12)) == "mean_maps: layer 5 has 1919 values; its sizes ask for 1920");

  WordMaps maps{2, 1, 3, six};
  CHECK(refusal(group_words(maps, {{0}, {}})) == "group_words: groups[1] is empty; a word has at least one map");
  CHECK(refusal(group_words(maps, {{0, 2}})) == "group_words: groups[0] lists 2; it must be below 2");
  maps.values.pop_back();
  CHECK(refusal(group_words(maps, {{0}})) == "group_words: maps has 5 values; its sizes ask for 6");
}
