#include "ground/evaluate.hpp"

#include <algorithm>
#include <array>

#include "ground/metrics.hpp"
#include "ground/vocabulary.hpp"

namespace weft::ground {
namespace {

enum Map : size_t { kAnswer, kWords, kWrongWords, kUniform, kRandomPatch, kUntrained, kMaps };
constexpr std::array<const char*, kMaps> kNames = {
    "answer (patch scores)", "words' attention", "wrong words' attention",
    "uniform attention",     "random patch",     "untrained weights"};

// A map of patches, scaled so that its peak is 1.
std::vector<float> peak_at_one(std::vector<float> map) {
  const float peak = *std::max_element(map.begin(), map.end());
  if (peak > 0)
    for (float& value : map) value /= peak;
  return map;
}

// The mean of the maps of the words that speak of `object`.
std::vector<float> map_of_words(const Grounding& grounding, const Phrase& phrase, int32_t object) {
  std::vector<float> map(kPatches, 0.0f);
  for (size_t word = 0; word < phrase.words.size(); ++word)
    if (phrase.word_objects[word] == object)
      for (size_t i = 0; i < map.size(); ++i) map[i] += grounding.word_maps[word * kPatches + i];
  return peak_at_one(std::move(map));
}

template <class Value>
Value next(Value value, int count) {
  return static_cast<Value>((static_cast<int>(value) + 1) % count);
}

// The same phrase with the referent's colour and shape exchanged for others.
std::vector<int32_t> wrong_words(const Phrase& phrase, const Object& referent) {
  const int32_t colour = word_id(to_string(referent.colour)), shape = word_id(to_string(referent.shape));
  std::vector<int32_t> words = phrase.words;
  for (size_t i = 0; i < words.size(); ++i) {
    if (phrase.word_objects[i] != phrase.referent) continue;
    if (words[i] == colour) words[i] = word_id(to_string(next(referent.colour, kColours)));
    else if (words[i] == shape) words[i] = word_id(to_string(next(referent.shape, kShapes)));
  }
  return words;
}

void add(Score& score, const Metrics& metrics) {
  score.pointing += metrics.hit;
  score.mass += metrics.mass_inside;
  score.iou += metrics.iou;
}

// A constant map: any pixel may be its peak, and all of them pass the threshold.
void add_uniform(Score& score, std::span<const uint8_t> mask) {
  const auto inside = std::count_if(mask.begin(), mask.end(), [](uint8_t value) { return value != 0; });
  const double share = static_cast<double>(inside) / static_cast<double>(mask.size());
  score.pointing += share;
  score.mass += share;
  score.iou += share;
}

}  // namespace

Result<Evaluation> evaluate(Model& model, Model& noise, float threshold, const EvaluationOptions& options) {
  Evaluation result;
  result.threshold = threshold;
  for (const char* name : kNames) result.scores.push_back({.map = name});
  uint64_t random = options.seed;
  for (uint32_t i = 0; i < options.scenes; ++i) {
    const Scene scene = make_scene(options.seed + i, options.split);
    for (const Phrase& phrase : scene.phrases) {
      const auto mask = scene.mask(phrase.referent);
      WEFT_ASSIGN(const Grounding found, model.run(scene.image, phrase.words));
      WEFT_ASSIGN(const Grounding wrong,
                  model.run(scene.image, wrong_words(phrase, scene.objects[static_cast<size_t>(phrase.referent)])));
      WEFT_ASSIGN(const Grounding untrained, noise.run(scene.image, phrase.words));
      std::vector<float> patch(kPatches, 0.0f);
      random = random * 6364136223846793005ull + 1442695040888963407ull;  // Knuth's MMIX
      patch[random >> 56] = 1;
      auto& scores = result.scores;
      add(scores[kAnswer], measure(found.probabilities, mask, threshold));
      add(scores[kWords], measure(map_of_words(found, phrase, phrase.referent), mask, 0.5f));
      add(scores[kWrongWords], measure(map_of_words(wrong, phrase, phrase.referent), mask, 0.5f));
      add_uniform(scores[kUniform], mask);
      add(scores[kRandomPatch], measure(patch, mask, 0.5f));
      add(scores[kUntrained], measure(untrained.probabilities, mask, threshold));
      ++result.phrases;
    }
    ++result.scenes;
    if (options.progress) options.progress(i + 1, options.scenes);
  }
  for (Score& score : result.scores)
    for (double* value : {&score.pointing, &score.mass, &score.iou}) *value /= std::max(result.phrases, 1u);
  return result;
}

}  // namespace weft::ground
