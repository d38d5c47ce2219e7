// The grounding sample's scenes and vocabulary.
#include "ground/scenes.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <sstream>

#include "ground/vocabulary.hpp"
#include "weft/safetensors.hpp"

namespace {

using namespace weft::ground;

constexpr Split kSplits[] = {Split::train, Split::test, Split::held_out};
constexpr uint64_t kSeeds = 300;

uint64_t hash(const std::vector<uint8_t>& bytes) {
  uint64_t value = 14695981039346656037ull;
  for (uint8_t byte : bytes) value = (value ^ byte) * 1099511628211ull;
  return value;
}

// The words of a noun group against an object, read from the text alone.
bool fits(const std::vector<std::string>& words, const Object& object) {
  return std::all_of(words.begin(), words.end(), [&](const std::string& word) {
    return word == "the" || word == "shape" || word == to_string(object.size) ||
           word == to_string(object.colour) || word == to_string(object.shape);
  });
}

struct Reading {
  std::vector<std::string> head, reference;
  std::string relation;  // empty without one
};

Reading read_phrase(const std::string& text) {
  Reading reading;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    if (word == "left" || word == "right" || word == "above" || word == "below") {
      reading.relation = word;
    } else if (word != "of") {
      (reading.relation.empty() ? reading.head : reading.reference).push_back(word);
    }
  }
  return reading;
}

bool stands(const std::string& relation, const Object& a, const Object& b) {
  if (relation == "left") return a.x < b.x;
  if (relation == "right") return a.x > b.x;
  if (relation == "above") return a.y < b.y;
  return a.y > b.y;
}

// Every object the text can mean, by the plainest reading: any object that the reference group
// fits will do as reference, and "left of" means any distance to the left.
std::vector<int32_t> meant_objects(const Scene& scene, const std::string& text) {
  const Reading reading = read_phrase(text);
  const auto count = static_cast<int32_t>(scene.objects.size());
  std::set<int32_t> meant;
  for (int32_t i = 0; i < count; ++i) {
    const Object& object = scene.objects[static_cast<size_t>(i)];
    if (!fits(reading.head, object)) continue;
    if (reading.relation.empty()) meant.insert(i);
    for (int32_t j = 0; j < count && !reading.relation.empty(); ++j) {
      const Object& other = scene.objects[static_cast<size_t>(j)];
      if (i == j || !fits(reading.reference, other)) continue;
      if (stands(reading.relation, object, other)) meant.insert(i);
    }
  }
  return {meant.begin(), meant.end()};
}

}  // namespace

TEST_CASE("scenes: a seed always gives the same scene, and no other seed or split does") {
  std::set<uint64_t> images;
  for (Split split : kSplits) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      const Scene once = make_scene(seed, split), again = make_scene(seed, split);
      CHECK(once.image == again.image);
      CHECK(once.labels == again.labels);
      REQUIRE(once.phrases.size() == again.phrases.size());
      for (size_t i = 0; i < once.phrases.size(); ++i) {
        CHECK(once.phrases[i].text == again.phrases[i].text);
      }
      CHECK(images.insert(hash(once.image)).second);
    }
  }
}

TEST_CASE("scenes: the bytes are the same on every platform") {
  const Scene scene = make_scene(7, Split::held_out);
  CHECK(hash(scene.image) == 15461042732676283077ull);
  CHECK(hash(scene.labels) == 3505573414124071401ull);
  CHECK(scene.phrases.front().text == "the red square");
}

TEST_CASE("scenes: one to four objects, inside the picture, never overlapping") {
  std::set<size_t> counts;
  for (Split split : kSplits) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Scene scene = make_scene(seed, split);
      counts.insert(scene.objects.size());
      for (size_t i = 0; i < scene.objects.size(); ++i) {
        const Object& a = scene.objects[i];
        CHECK(std::min(a.x, a.y) >= a.radius);
        CHECK(std::max(a.x, a.y) + a.radius <= kImageSize * kUnitsPerPixel);
        for (size_t j = 0; j < i; ++j) {
          const Object& b = scene.objects[j];
          const int32_t dx = a.x - b.x, dy = a.y - b.y, reach = a.radius + b.radius;
          CHECK(dx * dx + dy * dy > reach * reach);
        }
      }
    }
  }
  CHECK(counts == std::set<size_t>{1, 2, 3, 4});
}

TEST_CASE("scenes: a phrase means exactly its referent") {
  size_t relations = 0, needed_relations = 0, phrases = 0;
  for (Split split : kSplits) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      const Scene scene = make_scene(seed, split);
      REQUIRE(!scene.phrases.empty());
      REQUIRE(scene.phrases.size() <= static_cast<size_t>(kMaxPhrases));
      std::set<std::string> texts;
      for (const Phrase& phrase : scene.phrases) {
        INFO("seed " << seed << ": " << phrase.text);
        CHECK(texts.insert(phrase.text).second);
        CHECK(meant_objects(scene, phrase.text) == std::vector<int32_t>{phrase.referent});
        ++phrases;
        if (phrase.relation == Relation::none) continue;
        ++relations;
        std::string head = phrase.text.substr(0, phrase.text.find(" the ", 4));
        for (const char* tail : {" left of", " right of", " above", " below"}) {
          if (head.ends_with(tail)) head.resize(head.size() - std::string_view(tail).size());
        }
        needed_relations += meant_objects(scene, head).size() > 1 ? 1 : 0;
      }
    }
  }
  // Hard enough: many phrases have a relation, and many of those can't be understood without it.
  CHECK(relations * 5 > phrases);
  CHECK(needed_relations * 4 > relations);
}

TEST_CASE("scenes: words know the object they speak of") {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Scene scene = make_scene(seed, Split::test);
    for (const Phrase& phrase : scene.phrases) {
      INFO("seed " << seed << ": " << phrase.text);
      const auto words = tokenize(phrase.text);
      REQUIRE(words.has_value());
      CHECK(*words == phrase.words);
      REQUIRE(phrase.word_objects.size() == phrase.words.size());
      for (size_t w = 0; w < phrase.words.size(); ++w) {
        const std::string word(vocabulary()[static_cast<size_t>(phrase.words[w])]);
        const bool is_attribute = word != "the" && word != "of" && word != "left" &&
                                  word != "right" && word != "above" && word != "below";
        CHECK((phrase.word_objects[w] >= 0) == is_attribute);
        if (!is_attribute) continue;
        CHECK((phrase.word_objects[w] == phrase.referent ||
               phrase.word_objects[w] == phrase.reference));
        CHECK(fits({word}, scene.objects[static_cast<size_t>(phrase.word_objects[w])]));
      }
    }
  }
}

TEST_CASE("scenes: each shape and each colour is held out once") {
  std::set<int32_t> shapes, colours;
  int32_t pairs = 0;
  for (int32_t s = 0; s < kShapes; ++s) {
    for (int32_t c = 0; c < kColours; ++c) {
      if (!is_held_out(static_cast<Shape>(s), static_cast<Colour>(c))) continue;
      ++pairs;
      shapes.insert(s);
      colours.insert(c);
    }
  }
  CHECK(pairs == 6);
  CHECK(shapes.size() == 6);
  CHECK(colours.size() == 6);
}

TEST_CASE("scenes: held-out pairs never stand in a train or test scene") {
  std::set<std::pair<Shape, Colour>> seen;
  for (Split split : {Split::train, Split::test}) {
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      for (const Object& object : make_scene(seed, split).objects) {
        CHECK_FALSE(is_held_out(object.shape, object.colour));
        seen.insert({object.shape, object.colour});
      }
    }
  }
  CHECK(seen.size() == 30);
}

TEST_CASE("scenes: held-out referents are held-out pairs, named by colour and shape") {
  std::set<Shape> seen;
  bool has_ordinary_distractor = false;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Scene scene = make_scene(seed, Split::held_out);
    for (const Object& object : scene.objects) {
      has_ordinary_distractor |= !is_held_out(object.shape, object.colour);
    }
    for (const Phrase& phrase : scene.phrases) {
      const Object& referent = scene.objects[static_cast<size_t>(phrase.referent)];
      INFO("seed " << seed << ": " << phrase.text);
      CHECK(is_held_out(referent.shape, referent.colour));
      const std::vector<std::string> head = read_phrase(phrase.text).head;
      CHECK(std::count(head.begin(), head.end(), to_string(referent.colour)) == 1);
      CHECK(std::count(head.begin(), head.end(), to_string(referent.shape)) == 1);
      seen.insert(referent.shape);
    }
  }
  CHECK(seen.size() == 6);
  CHECK(has_ordinary_distractor);
}

TEST_CASE("scenes: a mask is its object's pixels") {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Scene scene = make_scene(seed, Split::train);
    std::vector<int32_t> owners(static_cast<size_t>(kImageSize * kImageSize), 0);
    for (size_t i = 0; i < scene.objects.size(); ++i) {
      const Object& object = scene.objects[i];
      INFO("seed " << seed << " object " << i << ' ' << to_string(object.shape));
      const std::vector<uint8_t> mask = scene.mask(static_cast<int32_t>(i));
      REQUIRE(mask.size() == owners.size());
      int32_t inside = 0, beyond = 0, wrong = 0, other = 0;
      for (int32_t p = 0; p < kImageSize * kImageSize; ++p) {
        const uint8_t value = mask[static_cast<size_t>(p)];
        other += value != 0 && value != 255 ? 1 : 0;
        const int32_t dx = p % kImageSize * kUnitsPerPixel + kUnitsPerPixel / 2 - object.x;
        const int32_t dy = p / kImageSize * kUnitsPerPixel + kUnitsPerPixel / 2 - object.y;
        const int32_t reach = object.radius + kUnitsPerPixel;
        const int32_t core = object.radius - kUnitsPerPixel;
        if (value == 0) {
          wrong += object.shape == Shape::circle && dx * dx + dy * dy <= core * core ? 1 : 0;
          continue;
        }
        ++inside;
        ++owners[static_cast<size_t>(p)];
        beyond += dx * dx + dy * dy > reach * reach ? 1 : 0;
      }
      CHECK(other == 0);
      CHECK(beyond == 0);
      CHECK(wrong == 0);
      // Every shape fills between a third and all of its circle; counts are pixels.
      const double circle = 3.14159265 * object.radius * object.radius / 256.0;
      CHECK(inside > 0.3 * circle);
      CHECK(inside < 1.1 * circle);
    }
    CHECK(*std::max_element(owners.begin(), owners.end()) == 1);
  }
}

TEST_CASE("scenes: the referent has its colour in the picture") {
  constexpr std::array<std::array<bool, 3>, kColours> kBright = {{{true, false, false},
                                                                  {false, true, false},
                                                                  {false, false, true},
                                                                  {true, true, false},
                                                                  {true, false, true},
                                                                  {false, true, true}}};
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Scene scene = make_scene(seed, Split::held_out);
    const Object& object = scene.objects[static_cast<size_t>(scene.phrases[0].referent)];
    const std::vector<uint8_t> mask = scene.mask(scene.phrases[0].referent);
    std::array<int64_t, 3> sums = {};
    for (size_t p = 0; p < mask.size(); ++p) {
      for (size_t c = 0; c < 3; ++c) sums[c] += mask[p] != 0 ? scene.image[p * 3 + c] : 0;
    }
    const std::array<bool, 3>& bright = kBright[static_cast<size_t>(object.colour)];
    for (size_t a = 0; a < 3; ++a) {
      for (size_t b = 0; b < 3; ++b) {
        INFO("seed " << seed << ' ' << to_string(object.colour));
        if (bright[a] && !bright[b]) CHECK(sums[a] > sums[b]);
      }
    }
  }
}

TEST_CASE("vocabulary: words and ids") {
  CHECK(vocabulary().size() == 21);
  CHECK(word_id("the") == 0);
  CHECK(word_id("of") == 20);
  CHECK(word_id("purple") == -1);
  CHECK(*tokenize(" The\tRED circle \n") == std::vector<int32_t>{0, 3, 9});
}

TEST_CASE("vocabulary: what is refused, and what the message says") {
  const auto unknown = tokenize("the purple circle");
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().code == weft::Code::invalid_argument);
  CHECK(unknown.error().message.find("\"purple\"") != std::string::npos);
  CHECK(unknown.error().message.find(vocabulary_text()) != std::string::npos);

  for (const char* empty : {"", "  \t\n"}) {
    const auto none = tokenize(empty);
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().code == weft::Code::invalid_argument);
  }

  std::string longest;
  for (uint32_t i = 0; i < kMaxWords; ++i) longest += "the ";
  CHECK(tokenize(longest)->size() == kMaxWords);
  const auto too_long = tokenize(longest + "star");
  REQUIRE_FALSE(too_long.has_value());
  CHECK(too_long.error().message.find("17 words") != std::string::npos);
  CHECK(tokenize("the red, circle").has_value() == false);
}

TEST_CASE("vocabulary: the trained weights were made for it") {
  const auto file =
      weft::Safetensors::open(WEFT_SOURCE_DIR "/samples/ground/weft_ground.safetensors");
  REQUIRE(file.has_value());
  const auto words = file->metadata().find("vocabulary");
  REQUIRE(words != file->metadata().end());
  CHECK(words->second == vocabulary_text());
  const auto embedding = file->find("word.weight");
  REQUIRE(embedding.has_value());
  CHECK(embedding->shape == std::vector<uint64_t>{vocabulary().size(), 96});
}
