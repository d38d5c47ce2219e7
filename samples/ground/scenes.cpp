#include "ground/scenes.hpp"

#include <algorithm>

#include "ground/scenes_draw.hpp"
#include "ground/vocabulary.hpp"

namespace weft::ground {
namespace {

constexpr std::array<std::array<int32_t, 3>, kColours> kBaseRgb = {
    {{215, 40, 40}, {50, 175, 60}, {50, 80, 220}, {228, 205, 45}, {205, 55, 195}, {55, 200, 210}}};

// Radius of a shape in percent of its size class, so that all shapes of a size look equally big.
constexpr std::array<int32_t, kShapes> kRadiusPercent = {100, 122, 125, 114, 106, 128};
// How far each shape may be turned: tan(angle / 2) in 64ths.
constexpr std::array<int32_t, kShapes> kTurnLimit = {0, 11, 11, 11, 0, 11};

// What may stand in a scene of this split.
bool allowed(Split split, const Object& object) {
  return split == Split::held_out || !is_held_out(object.shape, object.colour);
}

// Kind and paint of an object; where it stands comes later.
void choose_look(Random& random, Object& object) {
  const int32_t across = object.size == Size::small ? random.between(104, 122)  // sixteenths
                                                    : random.between(172, 198);
  const auto shape = static_cast<size_t>(object.shape);
  object.radius = across * kRadiusPercent[shape] / 100;
  object.turn = random.between(-kTurnLimit[shape], kTurnLimit[shape]);
  const int32_t brightness = random.between(82, 112);  // percent
  for (size_t c = 0; c < 3; ++c) {
    const int32_t jittered =
        kBaseRgb[static_cast<size_t>(object.colour)][c] + random.between(-20, 20);
    object.rgb[c] = static_cast<uint8_t>(std::clamp(jittered * brightness / 100, 0, 255));
  }
}

void choose_kind(Random& random, Object& object) {
  object.shape = static_cast<Shape>(random.below(kShapes));
  object.colour = static_cast<Colour>(random.below(kColours));
  object.size = static_cast<Size>(random.below(2));
}

// A distractor: mostly sharing its shape, its colour or both with the first object.
void choose_distractor(Random& random, const Object& first, Object& object) {
  choose_kind(random, object);
  const int32_t dice = random.below(100);
  if (dice < 45) object.shape = first.shape;
  if (dice >= 33 && dice < 78) object.colour = first.colour;
}

// A free place at least a pixel and a half away from the objects before it; false if none is found.
bool place(Random& random, const std::vector<Object>& others, Object& object) {
  constexpr int32_t kGap = 3 * kUnitsPerPixel / 2;
  for (int32_t attempt = 0; attempt < 60; ++attempt) {
    const int32_t edge = kImageSize * kUnitsPerPixel - object.radius;
    object.x = random.between(object.radius, edge);
    object.y = random.between(object.radius, edge);
    const bool is_free = std::all_of(others.begin(), others.end(), [&](const Object& other) {
      const int32_t dx = object.x - other.x, dy = object.y - other.y;
      const int32_t apart = object.radius + other.radius + kGap;
      return dx * dx + dy * dy >= apart * apart;
    });
    if (is_free) return true;
  }
  return false;
}

void choose_objects(Random& random, Scene& scene) {
  constexpr std::array<int32_t, 10> kCounts = {1, 2, 2, 3, 3, 3, 4, 4, 4, 4};
  const int32_t count = kCounts[static_cast<size_t>(random.below(10))];
  scene.objects.clear();
  while (static_cast<int32_t>(scene.objects.size()) < count) {
    Object object;
    const bool is_first = scene.objects.empty();
    do {
      if (is_first) {
        choose_kind(random, object);
      } else {
        choose_distractor(random, scene.objects.front(), object);
      }
    } while (!allowed(scene.split, object) || (is_first && scene.split == Split::held_out &&
                                               !is_held_out(object.shape, object.colour)));
    choose_look(random, object);
    if (place(random, scene.objects, object)) {
      scene.objects.push_back(object);
    } else {
      scene.objects.clear();
    }
  }
}

// A noun group that fits the object; held-out referents always get their colour and their shape.
Description describe(Random& random, const Object& object, bool colour_and_shape) {
  Description description;
  const int32_t dice = random.below(100);
  const bool has_shape = colour_and_shape || dice < 84;
  const bool has_colour = colour_and_shape || dice < 52 || dice >= 88;
  if (has_shape) description.shape = object.shape;
  if (has_colour) description.colour = object.colour;
  const bool has_size = dice >= 84 && dice < 88 && !has_colour;
  if (has_size || random.percent(42)) description.size = object.size;
  return description;
}

int32_t count_matches(const Scene& scene, const Description& description) {
  return static_cast<int32_t>(
      std::count_if(scene.objects.begin(), scene.objects.end(),
                    [&](const Object& object) { return matches(description, object); }));
}

// True if the phrase means its referent and, clearly, nothing else.
bool is_unambiguous(const Scene& scene, const Phrase& phrase) {
  if (phrase.relation == Relation::none) return count_matches(scene, phrase.head) == 1;
  if (count_matches(scene, phrase.reference_head) != 1) return false;
  const Object& reference = scene.objects[static_cast<size_t>(phrase.reference)];
  for (int32_t i = 0; i < static_cast<int32_t>(scene.objects.size()); ++i) {
    const Object& object = scene.objects[static_cast<size_t>(i)];
    if (i == phrase.reference || !matches(phrase.head, object)) continue;
    const int32_t distance = relation_distance(phrase.relation, object, reference);
    const bool is_clear =
        i == phrase.referent ? distance >= kRelationMargin : distance <= -kRelationMargin;
    if (!is_clear) return false;
  }
  return true;
}

void say(Phrase& phrase, std::string_view word, int32_t object) {
  if (!phrase.text.empty()) phrase.text += ' ';
  phrase.text += word;
  phrase.words.push_back(word_id(word));
  phrase.word_objects.push_back(object);
}

void say(Phrase& phrase, const Description& description, int32_t object) {
  say(phrase, "the", -1);
  if (description.size) say(phrase, to_string(*description.size), object);
  if (description.colour) say(phrase, to_string(*description.colour), object);
  say(phrase, description.shape ? to_string(*description.shape) : "shape", object);
}

void say(Phrase& phrase, Relation relation) {
  constexpr std::array<std::string_view, 5> kWords = {"", "left", "right", "above", "below"};
  say(phrase, kWords[static_cast<size_t>(relation)], -1);
  if (relation == Relation::left_of || relation == Relation::right_of) say(phrase, "of", -1);
}

// One attempt at a phrase; empty if what was drawn is ambiguous or too easy.
std::optional<Phrase> draw_phrase(Random& random, const Scene& scene) {
  const bool held_out = scene.split == Split::held_out;
  const auto count = static_cast<int32_t>(scene.objects.size());
  Phrase phrase;
  phrase.referent = random.below(count);
  const Object& referent = scene.objects[static_cast<size_t>(phrase.referent)];
  if (held_out && !is_held_out(referent.shape, referent.colour)) return std::nullopt;
  phrase.head = describe(random, referent, held_out);
  if (count > 1 && random.percent(60)) {
    phrase.relation = static_cast<Relation>(random.between(1, 4));
    phrase.reference = (phrase.referent + random.between(1, count - 1)) % count;
    phrase.reference_head =
        describe(random, scene.objects[static_cast<size_t>(phrase.reference)], false);
    // A relation nobody needs is kept only sometimes.
    if (count_matches(scene, phrase.head) == 1 && !random.percent(35)) return std::nullopt;
  }
  if (!is_unambiguous(scene, phrase)) return std::nullopt;
  say(phrase, phrase.head, phrase.referent);
  if (phrase.relation != Relation::none) {
    say(phrase, phrase.relation);
    say(phrase, phrase.reference_head, phrase.reference);
  }
  return phrase;
}

void choose_phrases(Random& random, Scene& scene) {
  scene.phrases.clear();
  for (int32_t attempt = 0; attempt < 80; ++attempt) {
    if (static_cast<int32_t>(scene.phrases.size()) == kMaxPhrases) return;
    std::optional<Phrase> phrase = draw_phrase(random, scene);
    if (!phrase) continue;
    const bool is_new =
        std::none_of(scene.phrases.begin(), scene.phrases.end(),
                     [&](const Phrase& other) { return other.text == phrase->text; });
    if (is_new) scene.phrases.push_back(std::move(*phrase));
  }
}

}  // namespace

std::string_view to_string(Shape value) {
  constexpr std::array<std::string_view, kShapes> kNames = {"circle", "square", "triangle",
                                                            "cross",  "ring",   "star"};
  return kNames[static_cast<size_t>(value)];
}

std::string_view to_string(Colour value) {
  constexpr std::array<std::string_view, kColours> kNames = {"red",    "green",   "blue",
                                                             "yellow", "magenta", "cyan"};
  return kNames[static_cast<size_t>(value)];
}

std::string_view to_string(Size value) { return value == Size::small ? "small" : "large"; }

std::string_view to_string(Split value) {
  constexpr std::array<std::string_view, 3> kNames = {"train", "test", "held-out"};
  return kNames[static_cast<size_t>(value)];
}

bool is_held_out(Shape shape, Colour colour) {
  constexpr std::array<Colour, kShapes> kHeldOut = {Colour::blue,    Colour::red,  Colour::green,
                                                    Colour::magenta, Colour::cyan, Colour::yellow};
  return kHeldOut[static_cast<size_t>(shape)] == colour;
}

bool matches(const Description& description, const Object& object) {
  return (!description.size || *description.size == object.size) &&
         (!description.colour || *description.colour == object.colour) &&
         (!description.shape || *description.shape == object.shape);
}

int32_t relation_distance(Relation relation, const Object& object, const Object& reference) {
  switch (relation) {
    case Relation::left_of:
      return reference.x - object.x;
    case Relation::right_of:
      return object.x - reference.x;
    case Relation::above:
      return reference.y - object.y;
    case Relation::below:
      return object.y - reference.y;
    case Relation::none:
      break;
  }
  return 0;
}

std::vector<uint8_t> Scene::mask(int32_t object) const {
  std::vector<uint8_t> pixels(labels.size());
  std::transform(labels.begin(), labels.end(), pixels.begin(), [&](uint8_t label) {
    return static_cast<uint8_t>(label == object + 1 ? 255 : 0);
  });
  return pixels;
}

Scene make_scene(uint64_t seed, Split split) {
  // One step of the generator apart, so that neighbouring seeds and splits share nothing.
  Random seeder(seed * 4 + static_cast<uint64_t>(split));
  Random random(seeder.next());
  Scene scene;
  scene.seed = seed;
  scene.split = split;
  do {
    choose_objects(random, scene);
    choose_phrases(random, scene);
  } while (scene.phrases.empty());
  draw_scene(random, scene);
  return scene;
}

}  // namespace weft::ground
