// Generated scenes for the grounding sample: coloured shapes on a noisy background, phrases that
// each mean exactly one of the shapes, and that shape's exact pixels. Integer arithmetic only, so
// a seed gives the same bytes on every platform.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::ground {

inline constexpr int32_t kImageSize = 64;      // pixels, both ways
inline constexpr int32_t kUnitsPerPixel = 16;  // positions and radii count sixteenths of a pixel
inline constexpr int32_t kMaxObjects = 4;
inline constexpr int32_t kMaxPhrases = 6;
// "left of" and the like: at least this far apart along the axis, centre to centre. A phrase is
// never made where a candidate lies nearer than this on either side.
inline constexpr int32_t kRelationMargin = 5 * kUnitsPerPixel;

enum class Shape : uint8_t { circle, square, triangle, cross, ring, star };
enum class Colour : uint8_t { red, green, blue, yellow, magenta, cyan };
enum class Size : uint8_t { small, large };
enum class Relation : uint8_t { none, left_of, right_of, above, below };

inline constexpr int32_t kShapes = 6;
inline constexpr int32_t kColours = 6;

// train and test: the same distribution, other seeds; no held-out pair appears anywhere in them.
// held_out: every referent is a held-out pair, named by its colour and its shape.
enum class Split : uint8_t { train, test, held_out };

// The words of these values, as phrases and the command line spell them ("held-out").
std::string_view to_string(Shape value);
std::string_view to_string(Colour value);
std::string_view to_string(Size value);
std::string_view to_string(Split value);

// True for the six (shape, colour) pairs kept out of training; each shape and each colour is in
// exactly one of them.
bool is_held_out(Shape shape, Colour colour);

struct Object {
  Shape shape = Shape::circle;
  Colour colour = Colour::red;
  Size size = Size::small;
  int32_t x = 0;       // centre, sixteenths of a pixel from the left edge
  int32_t y = 0;       // centre, sixteenths of a pixel from the top edge
  int32_t radius = 0;  // sixteenths; the whole shape lies within this distance of the centre
  int32_t turn = 0;    // rotation: tan(angle / 2) in 64ths
  std::array<uint8_t, 3> rgb = {};  // before lighting and noise
};

// What a noun group says; an attribute that is not said is empty ("the red shape" has no shape).
struct Description {
  std::optional<Size> size;
  std::optional<Colour> colour;
  std::optional<Shape> shape;
};

struct Phrase {
  std::string text;            // "the red circle left of the blue square"
  std::vector<int32_t> words;  // ids in vocabulary()
  // For each word the object it speaks of, an index into Scene::objects: size, colour and shape
  // words have one; "the" and the words of a relation have -1.
  std::vector<int32_t> word_objects;
  Description head;
  Relation relation = Relation::none;
  Description reference_head;  // only with a relation
  int32_t referent = 0;        // the object the phrase means
  int32_t reference = -1;      // the object the relation is to, or -1
};

struct Scene {
  uint64_t seed = 0;
  Split split = Split::train;
  std::vector<uint8_t> image;   // [64][64][3] RGB
  std::vector<uint8_t> labels;  // [64][64]: 0 background, i + 1 the pixels of objects[i]
  std::vector<Object> objects;  // 1 to kMaxObjects, never overlapping
  std::vector<Phrase> phrases;  // 1 to kMaxPhrases, all different

  // The pixels of one object: [64][64], 255 inside and 0 outside. A pixel is inside when at least
  // half of its area is.
  std::vector<uint8_t> mask(int32_t object) const;
};

// The scene of a seed. The same seed in another split is another scene. Thread-safe.
Scene make_scene(uint64_t seed, Split split);

// True if the object fits what the noun group says.
bool matches(const Description& description, const Object& object);

// Along the relation's axis, how far `object` lies on the named side of `reference`, in
// sixteenths of a pixel; negative on the other side. 0 for Relation::none.
int32_t relation_distance(Relation relation, const Object& object, const Object& reference);

}  // namespace weft::ground
