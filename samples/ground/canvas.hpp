// Drawing on an RGB picture: filled and outlined boxes with round corners, pictures, text.
#pragma once

#include <cstdint>
#include <glm/glm.hpp>
#include <span>
#include <string_view>

#include "ground/font.hpp"
#include "weft/image.hpp"

namespace weft::ground {

using Colour3 = glm::vec3;  // sRGB, 0 to 1 each

// 0xRRGGBB
inline Colour3 rgb(uint32_t hex) {
  return glm::vec3(static_cast<float>(hex >> 16 & 0xFF), static_cast<float>(hex >> 8 & 0xFF),
                   static_cast<float>(hex & 0xFF)) /
         255.0f;
}

// In pixels; x and y of the upper left corner.
struct Rect {
  float x = 0.0f;
  float y = 0.0f;
  float width = 0.0f;
  float height = 0.0f;

  Rect grown(float by) const { return {x - by, y - by, width + 2 * by, height + 2 * by}; }
};

enum class Align { left, centre, right };

// What falls outside is left out.
class Canvas {
 public:
  Canvas(uint32_t width, uint32_t height, Colour3 background);

  void fill(const Rect& rect, float corner_px, Colour3 colour, float opacity = 1.0f);
  // A line of the given width, whose outer edge is the rectangle's.
  void outline(const Rect& rect, float corner_px, float line_px, Colour3 colour,
               float opacity = 1.0f);
  // Draws the picture with its upper left corner at (x, y), its own corners rounded.
  void picture(int32_t x, int32_t y, float corner_px, const Image& rgb);
  // `x` is the left end, the middle or the right end; `y` the base line.
  void text(float x, float y, std::string_view utf8, TextStyle style, Colour3 colour,
            Align align = Align::left);

  Image image() &&;

 private:
  template <class Coverage>
  void blend(const Rect& rect, Colour3 colour, Coverage coverage);
  void blend_pixel(int32_t x, int32_t y, Colour3 colour, float opacity);

  Image image_;
};

}  // namespace weft::ground
