// Text without font files: an own alphabet of strokes of even width with round ends, drawn at any
// size with smooth edges. Printable ASCII; any other character is an empty frame.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace weft::ground {

struct TextStyle {
  float capital_px = 12.0f;  // height of a capital letter
  float stroke = 0.125f;     // width of a stroke, in capital heights; 0.17 looks bold
};

// From the start of the first character to the start of what would follow, in pixels.
float text_width(std::string_view utf8, TextStyle style);

// How much of each pixel text covers, 0 to 1. The pen starts on the base line at (0, 0), y goes
// down, and coverage[row * width + column] is of the pixel whose upper left corner is at
// (left + column, top + row).
struct TextMask {
  int32_t left = 0;
  int32_t top = 0;
  uint32_t width = 0;
  uint32_t height = 0;
  std::vector<float> coverage;
};

TextMask rasterise(std::string_view utf8, TextStyle style);

}  // namespace weft::ground
