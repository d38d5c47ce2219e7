#include "ground/canvas.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace weft::ground {
namespace {

// How much of the pixel around `point` a rectangle with round corners covers, nearly: from the
// distance to its edge, negative inside.
float rounded_coverage(glm::vec2 point, const Rect& rect, float corner_px) {
  const glm::vec2 half = glm::vec2(rect.width, rect.height) * 0.5f;
  const float corner = std::min({corner_px, half.x, half.y});
  const glm::vec2 from_centre = glm::abs(point - glm::vec2(rect.x, rect.y) - half);
  const glm::vec2 beyond = from_centre - half + corner;
  const float outside = glm::length(glm::max(beyond, 0.0f));
  const float distance = outside + std::min(std::max(beyond.x, beyond.y), 0.0f) - corner;
  return std::clamp(0.5f - distance, 0.0f, 1.0f);
}

}  // namespace

Canvas::Canvas(uint32_t width, uint32_t height, Colour3 background)
    : image_{width, height, 3, std::vector<uint8_t>(size_t{width} * height * 3)} {
  const Rect all{0.0f, 0.0f, static_cast<float>(width), static_cast<float>(height)};
  blend(all, background, [](glm::vec2) { return 1.0f; });
}

void Canvas::blend_pixel(int32_t x, int32_t y, Colour3 colour, float opacity) {
  const bool inside = x >= 0 && y >= 0 && x < static_cast<int32_t>(image_.width) &&
                      y < static_cast<int32_t>(image_.height);
  if (!inside || opacity <= 0.0f) return;
  uint8_t* pixel =
      &image_.pixels[(static_cast<size_t>(y) * image_.width + static_cast<size_t>(x)) * 3];
  for (int c = 0; c < 3; ++c) {
    const float mixed = glm::mix(static_cast<float>(pixel[c]), colour[c] * 255.0f, opacity);
    pixel[c] = static_cast<uint8_t>(std::lround(std::clamp(mixed, 0.0f, 255.0f)));
  }
}

template <class Coverage>
void Canvas::blend(const Rect& rect, Colour3 colour, Coverage coverage) {
  const auto left = static_cast<int32_t>(std::floor(rect.x));
  const auto top = static_cast<int32_t>(std::floor(rect.y));
  const auto right = static_cast<int32_t>(std::ceil(rect.x + rect.width));
  const auto bottom = static_cast<int32_t>(std::ceil(rect.y + rect.height));
  for (int32_t y = top; y < bottom; ++y) {
    for (int32_t x = left; x < right; ++x) {
      const glm::vec2 centre(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f);
      blend_pixel(x, y, colour, coverage(centre));
    }
  }
}

void Canvas::fill(const Rect& rect, float corner_px, Colour3 colour, float opacity) {
  blend(rect, colour,
        [&](glm::vec2 point) { return opacity * rounded_coverage(point, rect, corner_px); });
}

void Canvas::outline(const Rect& rect, float corner_px, float line_px, Colour3 colour,
                     float opacity) {
  const Rect inner = rect.grown(-line_px);
  const float inner_corner = std::max(corner_px - line_px, 0.0f);
  const bool has_inside = inner.width > 0.0f && inner.height > 0.0f;
  blend(rect, colour, [&](glm::vec2 point) {
    const float hole = has_inside ? rounded_coverage(point, inner, inner_corner) : 0.0f;
    return opacity * std::max(rounded_coverage(point, rect, corner_px) - hole, 0.0f);
  });
}

void Canvas::picture(int32_t x, int32_t y, float corner_px, const Image& rgb) {
  const Rect frame{0.0f, 0.0f, static_cast<float>(rgb.width), static_cast<float>(rgb.height)};
  for (uint32_t row = 0; row < rgb.height; ++row) {
    for (uint32_t column = 0; column < rgb.width; ++column) {
      const uint8_t* pixel = &rgb.pixels[(size_t{row} * rgb.width + column) * 3];
      const glm::vec2 centre(static_cast<float>(column) + 0.5f, static_cast<float>(row) + 0.5f);
      blend_pixel(x + static_cast<int32_t>(column), y + static_cast<int32_t>(row),
                  glm::vec3(pixel[0], pixel[1], pixel[2]) / 255.0f,
                  rounded_coverage(centre, frame, corner_px));
    }
  }
}

void Canvas::text(float x, float y, std::string_view utf8, TextStyle style, Colour3 colour,
                  Align align) {
  const float width = text_width(utf8, style);
  if (align == Align::centre) x -= 0.5f * width;
  if (align == Align::right) x -= width;
  const TextMask mask = rasterise(utf8, style);
  const auto left = static_cast<int32_t>(std::lround(x)) + mask.left;
  const auto top = static_cast<int32_t>(std::lround(y)) + mask.top;
  for (uint32_t row = 0; row < mask.height; ++row) {
    for (uint32_t column = 0; column < mask.width; ++column) {
      blend_pixel(left + static_cast<int32_t>(column), top + static_cast<int32_t>(row), colour,
                  mask.coverage[size_t{row} * mask.width + column]);
    }
  }
}

Image Canvas::image() && { return std::move(image_); }

}  // namespace weft::ground
