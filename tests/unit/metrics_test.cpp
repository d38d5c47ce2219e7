// Maps enlarged, boxed and measured.
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

#include "ground/metrics.hpp"

using Catch::Approx;
using weft::ground::Box;
using weft::ground::box_of;
using weft::ground::kGridPatches;
using weft::ground::kGridSide;
using weft::ground::kMaskSide;
using weft::ground::measure;
using weft::ground::upsample;

namespace {

using Map = std::vector<float>;
using Mask = std::vector<uint8_t>;

Map grid_with(std::initializer_list<std::pair<uint32_t, uint32_t>> patches, float value = 1.0f) {
  Map map(kGridPatches, 0.0f);
  for (const auto& [x, y] : patches) map[y * kGridSide + x] = value;
  return map;
}

Mask mask_of(const Box& box) {
  Mask mask(kMaskSide * kMaskSide, 0);
  for (int32_t y = box.y0; y < box.y1; ++y) {
    for (int32_t x = box.x0; x < box.x1; ++x) {
      mask[static_cast<size_t>(y) * kMaskSide + static_cast<size_t>(x)] = 255;
    }
  }
  return mask;
}

}  // namespace

TEST_CASE("upsample: pixel centres at halves, edges clamped", "[ground]") {
  CHECK(upsample(Map{0, 4}, 2, 1, 4, 1) == Map{0, 1, 3, 4});
  CHECK(upsample(Map{0, 4}, 1, 2, 1, 4) == Map{0, 1, 3, 4});
  // By an odd factor the middle one of three lies on the cell's own centre.
  CHECK(upsample(Map{3, 9}, 2, 1, 6, 1) == Map{3, 3, 5, 7, 9, 9});
  CHECK(upsample(Map{0, 4, 8, 12}, 2, 2, 4, 4) ==
        Map{0, 1, 3, 4, 2, 3, 5, 6, 6, 7, 9, 10, 8, 9, 11, 12});
}

TEST_CASE("upsample: the same size, one cell, fewer pixels", "[ground]") {
  const Map map = {1, 5, 2, 7, 3, 4};
  CHECK(upsample(map, 3, 2, 3, 2) == map);
  CHECK(upsample(Map{2.5f}, 1, 1, 5, 3) == Map(15, 2.5f));
  CHECK(upsample(Map{0, 2, 4, 6}, 4, 1, 2, 1) == Map{1, 5});
}

TEST_CASE("upsample: symmetric maps stay symmetric, sums stay in proportion", "[ground]") {
  Map map = grid_with({{3, 5}, {12, 5}}, 0.75f);
  const Map large = upsample(map, kGridSide, kGridSide, kMaskSide, kMaskSide);
  double sum = 0.0;
  for (uint32_t y = 0; y < kMaskSide; ++y) {
    for (uint32_t x = 0; x < kMaskSide; ++x) {
      const float value = large[y * kMaskSide + x];
      REQUIRE(value == large[y * kMaskSide + kMaskSide - 1 - x]);
      sum += value;
    }
  }
  CHECK(sum == Approx(16 * 1.5));  // away from edges every patch gives its 4 x 4 pixels' worth
}

TEST_CASE("box_of: one patch", "[ground]") {
  // Along a line through its centre a patch of 1 between zeros gives 1/8 3/8 5/8 7/8 7/8 5/8 3/8
  // 1/8.
  const Map map = grid_with({{2, 3}});
  CHECK(box_of(map, 0.5f) == Box{8, 12, 12, 16});
  CHECK(box_of(map, 0.76f) == Box{9, 13, 11, 15});
  CHECK(box_of(map, 0.77f).empty());  // the peak is 7/8 squared, 0.7656
  CHECK(box_of(map, 0.5f) == box_of(map, 0.5f, 64, 64));
  // Forty pixels to a patch: 4/7 or more of its height lies within 3/7 * 40 pixels of its centre.
  CHECK(box_of(map, 0.5f, 640, 64) == Box{83, 12, 117, 16});
}

TEST_CASE("box_of: the region around the peak, not all that is bright", "[ground]") {
  // Side by side two patches reach 7/8 of their value, a single one 49/64.
  Map map = grid_with({{1, 1}, {2, 1}, {10, 10}}, 0.6f);
  map[10 * kGridSide + 10] = 1.0f;
  CHECK(box_of(map, 0.5f) == Box{40, 40, 44, 44});
  map[10 * kGridSide + 10] = 0.6f;
  CHECK(box_of(map, 0.5f) == Box{6, 5, 10, 7});
}

TEST_CASE("box_of: everything, the corners, nothing", "[ground]") {
  CHECK(box_of(Map(kGridPatches, 0.5f), 0.5f) == Box{0, 0, 64, 64});
  CHECK(box_of(Map(kGridPatches, 0.5f), 0.5f, 1, 1) == Box{0, 0, 1, 1});
  CHECK(box_of(Map(kGridPatches, 0.5f), 0.50001f).empty());
  CHECK(box_of(grid_with({{15, 15}}), 0.5f) == Box{60, 60, 64, 64});
  CHECK(box_of(grid_with({{0, 0}}), 0.5f) == Box{0, 0, 4, 4});
}

TEST_CASE("box_of: pixels that only touch at corners don't hang together", "[ground]") {
  Map map = grid_with({{4, 4}, {5, 5}}, 0.8f);
  map[4 * kGridSide + 4] = 1.0f;
  const Box at_patches = box_of(map, 0.5f, kGridSide, kGridSide);
  CHECK(at_patches == Box{4, 4, 5, 5});
}

TEST_CASE("measure: a perfect map, a shifted one, an empty one", "[ground]") {
  const Map map = grid_with({{4, 4}});
  const Mask mask = mask_of({16, 16, 20, 20});
  const auto perfect = measure(map, mask, 0.39f);  // its corners have 25/64 = 0.390625
  CHECK(perfect.hit);
  CHECK(perfect.iou == 1.0);
  CHECK(measure(map, mask, 0.4f).iou == Approx(12.0 / 16.0));
  CHECK(measure(map, mask, 0.3f).iou == Approx(16.0 / 24.0));  // next to the sides: 21/64 = 0.33
  CHECK(perfect.mass_inside == Approx(9.0 / 16.0));            // 3 of 4 along each axis
  const auto missed = measure(map, mask_of({40, 40, 50, 50}), 0.3f);
  CHECK_FALSE(missed.hit);
  CHECK(missed.mass_inside == 0.0);
  CHECK(missed.iou == 0.0);
  const auto nothing = measure(Map(kGridPatches, 0.0f), mask, 0.3f);
  CHECK(nothing.mass_inside == 0.0);
  CHECK(nothing.iou == 0.0);
  CHECK(measure(Map(kGridPatches, 0.0f), mask_of({}), 0.3f).iou == 1.0);
}

TEST_CASE("measure: an even map has the mask's share of everything", "[ground]") {
  const Mask mask = mask_of({0, 0, 32, 16});
  const auto metrics = measure(Map(kGridPatches, 0.25f), mask, 0.25f);
  CHECK(metrics.hit);  // the first pixel of all that are equal
  CHECK(metrics.mass_inside == Approx(32.0 * 16.0 / 4096.0));
  CHECK(metrics.iou == Approx(32.0 * 16.0 / 4096.0));
  CHECK(measure(Map(kGridPatches, 0.25f), mask, 0.26f).iou == 0.0);
}

TEST_CASE("measure: mass and overlap of halves", "[ground]") {
  Map map(kGridPatches, 0.0f);
  for (uint32_t i = 0; i < kGridPatches; ++i) map[i] = i % kGridSide < 8 ? 1.0f : 0.0f;
  // At a threshold of one half the left half passes exactly.
  CHECK(measure(map, mask_of({0, 0, 32, 64}), 0.5f).iou == 1.0);
  CHECK(measure(map, mask_of({0, 0, 16, 64}), 0.5f).iou == Approx(0.5));
  CHECK(measure(map, mask_of({16, 0, 48, 64}), 0.5f).iou == Approx(1.0 / 3.0));
  const auto inner = measure(map, mask_of({0, 0, 30, 64}), 0.5f);
  CHECK(inner.mass_inside == Approx(30.0 / 32.0));
}
