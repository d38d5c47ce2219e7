#include "ground/metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace weft::ground {
namespace {

// The two cells that an output pixel lies between, and how far it is from the first to the second.
struct Tap {
  uint32_t first = 0;
  uint32_t second = 0;
  float share = 0.0f;
};

std::vector<Tap> taps(uint32_t cells, uint32_t pixels) {
  std::vector<Tap> result(pixels);
  for (uint32_t i = 0; i < pixels; ++i) {
    const double at = (i + 0.5) * cells / pixels - 0.5;
    const double clamped = std::clamp(at, 0.0, static_cast<double>(cells - 1));
    const auto first = static_cast<uint32_t>(clamped);
    result[i] = {first, std::min(first + 1, cells - 1), static_cast<float>(clamped - first)};
  }
  return result;
}

size_t index_of_highest(std::span<const float> values) {
  return static_cast<size_t>(std::ranges::max_element(values) - values.begin());
}

}  // namespace

std::vector<float> upsample(std::span<const float> map, uint32_t width, uint32_t height,
                            uint32_t out_width, uint32_t out_height) {
  const std::vector<Tap> columns = taps(width, out_width);
  std::vector<float> result;
  result.reserve(size_t{out_width} * out_height);
  for (const Tap& row : taps(height, out_height)) {
    const std::span<const float> upper = map.subspan(size_t{row.first} * width, width);
    const std::span<const float> lower = map.subspan(size_t{row.second} * width, width);
    for (const Tap& column : columns) {
      const float above = std::lerp(upper[column.first], upper[column.second], column.share);
      const float below = std::lerp(lower[column.first], lower[column.second], column.share);
      result.push_back(std::lerp(above, below, row.share));
    }
  }
  return result;
}

Box box_of(std::span<const float> scores, float threshold, uint32_t image_width,
           uint32_t image_height) {
  const std::vector<float> map = upsample(scores, kGridSide, kGridSide, image_width, image_height);
  const size_t peak = index_of_highest(map);
  if (!(map[peak] >= threshold)) return {};
  std::vector<bool> seen(map.size());
  std::vector<size_t> open = {peak};
  seen[peak] = true;
  uint32_t left = image_width, top = image_height, right = 0, bottom = 0;
  while (!open.empty()) {
    const size_t at = open.back();
    open.pop_back();
    const auto x = static_cast<uint32_t>(at % image_width);
    const auto y = static_cast<uint32_t>(at / image_width);
    left = std::min(left, x);
    top = std::min(top, y);
    right = std::max(right, x + 1);
    bottom = std::max(bottom, y + 1);
    const auto visit = [&](bool inside, size_t neighbour) {
      if (!inside || seen[neighbour] || !(map[neighbour] >= threshold)) return;
      seen[neighbour] = true;
      open.push_back(neighbour);
    };
    visit(x > 0, at - 1);
    visit(x + 1 < image_width, at + 1);
    visit(y > 0, at - image_width);
    visit(y + 1 < image_height, at + image_width);
  }
  return {static_cast<int32_t>(left), static_cast<int32_t>(top), static_cast<int32_t>(right),
          static_cast<int32_t>(bottom)};
}

Metrics measure(std::span<const float> probabilities, std::span<const uint8_t> mask,
                float threshold) {
  const std::vector<float> map =
      upsample(probabilities, kGridSide, kGridSide, kMaskSide, kMaskSide);
  double sum = 0.0, sum_inside = 0.0;
  size_t both = 0, either = 0;
  for (size_t i = 0; i < map.size(); ++i) {
    const bool inside = mask[i] != 0;
    const bool found = map[i] >= threshold;
    sum += map[i];
    if (inside) sum_inside += map[i];
    both += inside && found ? 1 : 0;
    either += inside || found ? 1 : 0;
  }
  Metrics metrics;
  metrics.hit = mask[index_of_highest(map)] != 0;
  metrics.mass_inside = sum > 0.0 ? sum_inside / sum : 0.0;
  metrics.iou = either > 0 ? static_cast<double>(both) / static_cast<double>(either) : 1.0;
  return metrics;
}

}  // namespace weft::ground
