// What a map of patch scores says about an image: enlarged to pixels, boxed, and measured against
// the truth. Maps are row-major, in the grid of patches that the model sees.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weft::ground {

inline constexpr uint32_t kGridSide = 16;  // patches along each side of the image
inline constexpr uint32_t kGridPatches = kGridSide * kGridSide;
inline constexpr uint32_t kMaskSide = 64;  // pixels along each side of a mask

// A map at another size, bilinear. Values sit at the centres of their cells, on both sides; beyond
// the outermost centres the edge's value goes on. map.size() must be width * height; sides at
// least 1.
std::vector<float> upsample(std::span<const float> map, uint32_t width, uint32_t height,
                            uint32_t out_width, uint32_t out_height);

// Edges in pixels of an image: columns x0 to x1 - 1, rows y0 to y1 - 1.
struct Box {
  int32_t x0 = 0;
  int32_t y0 = 0;
  int32_t x1 = 0;
  int32_t y1 = 0;

  bool empty() const { return x0 >= x1 || y0 >= y1; }
  bool operator==(const Box&) const = default;
};

// The smallest box around the answer: the map is enlarged to the image's size, and the pixels at or
// above the threshold that hang together (side by side) with the highest one are the answer.
// Empty if none reaches the threshold. `scores` has kGridPatches values; sides are at least 1.
Box box_of(std::span<const float> scores, float threshold, uint32_t image_width = kMaskSide,
           uint32_t image_height = kMaskSide);

struct Metrics {
  bool hit = false;          // the highest pixel of the enlarged map is inside (the pointing game)
  double mass_inside = 0.0;  // the inside's share of the sum of all pixels; 0 if that sum is 0
  double iou = 0.0;  // pixels at or above the threshold against the mask: intersection over union
};

// Measures a map (kGridPatches values, none negative) against a mask (kMaskSide x kMaskSide, not 0
// inside), at the mask's resolution. Of equal highest pixels the first in reading order counts.
// With nothing above the threshold and nothing inside the mask, iou is 1.
Metrics measure(std::span<const float> probabilities, std::span<const uint8_t> mask,
                float threshold);

}  // namespace weft::ground
