#include "ground/font.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <glm/glm.hpp>
#include <limits>

#include "ground/font_strokes.hpp"

namespace weft::ground {
namespace {

struct Segment {
  glm::vec2 from;
  glm::vec2 to;
};

// One character as segments, moved so that its leftmost point has x = 0.
struct Outline {
  std::vector<Segment> segments;
  float width = 0.0f;
};

// Follows a path of font_strokes.hpp.
class Pen {
 public:
  std::vector<Segment> segments;

  void follow(std::string_view path) {
    path_ = path;
    while (skip_blanks()) {
      if (take(';')) {
        down_ = false;
      } else if (take('o')) {
        arc();
      } else {
        const float x = number();
        line_to({x, number()});
      }
    }
  }

 private:
  bool skip_blanks() {
    path_.remove_prefix(std::min(path_.find_first_not_of(' '), path_.size()));
    return !path_.empty();
  }
  bool take(char wanted) {
    if (!path_.starts_with(wanted)) return false;
    path_.remove_prefix(1);
    return true;
  }
  float number() {
    skip_blanks();
    int value = 0;
    const auto end = std::from_chars(path_.data(), path_.data() + path_.size(), value).ptr;
    path_.remove_prefix(static_cast<size_t>(end - path_.data()));
    return static_cast<float>(value);
  }
  void line_to(glm::vec2 point) {
    if (down_) segments.push_back({at_, point});
    at_ = point;
    down_ = true;
  }
  void arc() {
    std::array<float, 6> a{};
    for (float& value : a) value = number();
    constexpr int kSteps = 32;
    for (int i = 0; i <= kSteps; ++i) {
      const float angle = glm::radians(glm::mix(a[4], a[5], static_cast<float>(i) / kSteps));
      line_to({a[0] + a[2] * std::cos(angle), a[1] + a[3] * std::sin(angle)});
    }
  }

  std::string_view path_;
  glm::vec2 at_{0.0f};
  bool down_ = false;
};

Outline outline_of(std::string_view path) {
  Pen pen;
  pen.follow(path);
  float left = std::numeric_limits<float>::max(), right = 0.0f;
  for (const Segment& segment : pen.segments) {
    left = std::min({left, segment.from.x, segment.to.x});
    right = std::max({right, segment.from.x, segment.to.x});
  }
  for (Segment& segment : pen.segments) {
    segment.from.x -= left;
    segment.to.x -= left;
  }
  return {std::move(pen.segments), right - left};
}

// Of the printable ASCII characters from '!' on; the last is for all others.
const Outline& outline_of(char character) {
  static const auto kOutlines = [] {
    std::array<Outline, kGlyphs.size() + 1> outlines;
    for (size_t i = 0; i < kGlyphs.size(); ++i) outlines[i] = outline_of(kGlyphs[i].path);
    outlines.back() = outline_of(kUnknownPath);
    return outlines;
  }();
  const int index = character - kGlyphs.front().character;
  const bool known = index >= 0 && index < static_cast<int>(kGlyphs.size());
  return kOutlines[known ? static_cast<size_t>(index) : kGlyphs.size()];
}

// A byte that goes on a character of UTF-8 begun before.
bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Calls use(outline, x) for every visible character; returns where the next would start, in units.
template <class Use>
float lay_out(std::string_view utf8, Use use) {
  float x = 0.0f;
  for (const char character : utf8) {
    if (continues(character)) continue;
    if (character == ' ') {
      x += kSpaceUnits;
      continue;
    }
    const Outline& outline = outline_of(character);
    use(outline, x + kBetweenUnits / 2);
    x += outline.width + kBetweenUnits;
  }
  return x;
}

float distance(glm::vec2 point, const Segment& segment) {
  const glm::vec2 along = segment.to - segment.from;
  const float length2 = glm::dot(along, along);
  const float share = length2 > 0.0f
                          ? std::clamp(glm::dot(point - segment.from, along) / length2, 0.0f, 1.0f)
                          : 0.0f;
  return glm::distance(point, segment.from + share * along);
}

void draw(TextMask& mask, const Segment& segment, float radius) {
  const float reach = radius + 1.0f;
  const auto clamp_to = [](float value, uint32_t size) {
    return static_cast<uint32_t>(std::clamp(value, 0.0f, static_cast<float>(size)));
  };
  const glm::vec2 origin(static_cast<float>(mask.left), static_cast<float>(mask.top));
  const glm::vec2 low = glm::min(segment.from, segment.to) - reach - origin;
  const glm::vec2 high = glm::max(segment.from, segment.to) + reach - origin + 1.0f;
  for (uint32_t y = clamp_to(low.y, mask.height); y < clamp_to(high.y, mask.height); ++y) {
    for (uint32_t x = clamp_to(low.x, mask.width); x < clamp_to(high.x, mask.width); ++x) {
      const glm::vec2 centre =
          origin + glm::vec2(static_cast<float>(x), static_cast<float>(y)) + 0.5f;
      const float covered = std::clamp(radius + 0.5f - distance(centre, segment), 0.0f, 1.0f);
      float& coverage = mask.coverage[size_t{y} * mask.width + x];
      coverage = std::max(coverage, covered);
    }
  }
}

}  // namespace

float text_width(std::string_view utf8, TextStyle style) {
  return lay_out(utf8, [](const Outline&, float) {}) * style.capital_px / kCapitalUnits;
}

TextMask rasterise(std::string_view utf8, TextStyle style) {
  const float scale = style.capital_px / kCapitalUnits;
  const float radius = 0.5f * style.stroke * style.capital_px;
  const auto margin = static_cast<int32_t>(std::ceil(radius)) + 1;
  TextMask mask;
  mask.left = -margin;
  mask.top = -static_cast<int32_t>(std::ceil(1.2f * style.capital_px)) - margin;
  mask.width =
      static_cast<uint32_t>(std::ceil(text_width(utf8, style))) + 2 * static_cast<uint32_t>(margin);
  mask.height = static_cast<uint32_t>(std::ceil(0.35f * style.capital_px) + margin -
                                      static_cast<float>(mask.top));
  mask.coverage.resize(size_t{mask.width} * mask.height);
  lay_out(utf8, [&](const Outline& outline, float x) {
    const auto placed = [&](glm::vec2 point) { return glm::vec2(point.x + x, -point.y) * scale; };
    for (const Segment& segment : outline.segments) {
      draw(mask, {placed(segment.from), placed(segment.to)}, radius);
    }
  });
  return mask;
}

}  // namespace weft::ground
