// The picture of an answer, its letters and its colours.
#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "ground/colormap.hpp"
#include "ground/font.hpp"
#include "ground/render.hpp"

using Catch::Approx;
using namespace weft::ground;
using weft::Image;

namespace {

using Lab = std::array<double, 3>;

// sRGB to Oklab: the way back from what colormap.cpp does.
Lab oklab(const std::array<uint8_t, 3>& colour) {
  std::array<double, 3> v{};
  for (size_t i = 0; i < 3; ++i) {
    const double c = colour[i] / 255.0;
    v[i] = c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  }
  const double l = std::cbrt(0.4122214708 * v[0] + 0.5363325363 * v[1] + 0.0514459929 * v[2]);
  const double m = std::cbrt(0.2119034982 * v[0] + 0.6806995451 * v[1] + 0.1073969566 * v[2]);
  const double s = std::cbrt(0.0883024619 * v[0] + 0.2817188376 * v[1] + 0.6299787005 * v[2]);
  return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

double difference(const Lab& a, const Lab& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

std::array<uint8_t, 3> pixel(const Image& image, uint32_t x, uint32_t y) {
  const size_t at = (size_t{y} * image.width + x) * 3;
  return {image.pixels[at], image.pixels[at + 1], image.pixels[at + 2]};
}

Report report_with(std::vector<std::string> words = {"the", "red", "circle"}) {
  Report report;
  report.image = {64, 64, 3, std::vector<uint8_t>(64 * 64 * 3, 90)};
  report.probabilities.assign(kGridPatches, 0.0f);
  report.probabilities[5 * kGridSide + 4] = 1.0f;
  report.word_maps.assign(words.size() * kGridPatches, 1.0f / kGridPatches);
  report.words = std::move(words);
  report.phrase = "the red circle";
  report.box = {16, 20, 20, 24};
  report.caption = "a device, 1 ms";
  return report;
}

// Where the first panel is, as render.cpp lays it out for a 64 x 64 picture.
constexpr uint32_t kPanelX = 36, kPanelY = 111, kPanelSide = 512,
                   kHeatX = kPanelX + kPanelSide + 28;

size_t count(const Image& image, const std::array<uint8_t, 3>& colour, uint32_t x0, uint32_t x1) {
  size_t found = 0;
  for (uint32_t y = kPanelY; y < kPanelY + kPanelSide; ++y) {
    for (uint32_t x = x0; x < x1; ++x) found += pixel(image, x, y) == colour ? 1 : 0;
  }
  return found;
}

double ink(std::string_view text, TextStyle style) {
  const TextMask mask = rasterise(text, style);
  return std::accumulate(mask.coverage.begin(), mask.coverage.end(), 0.0);
}

}  // namespace

TEST_CASE("heat_colour: lightness only rises, and by even steps", "[ground]") {
  constexpr int kSteps = 16;
  std::array<Lab, kSteps + 1> colours;
  for (int i = 0; i <= kSteps; ++i) colours[static_cast<size_t>(i)] = oklab(heat_colour(i / 16.0f));
  double shortest = 1.0, longest = 0.0;
  for (size_t i = 0; i < kSteps; ++i) {
    CHECK(colours[i + 1][0] > colours[i][0] + 0.01);
    shortest = std::min(shortest, difference(colours[i], colours[i + 1]));
    longest = std::max(longest, difference(colours[i], colours[i + 1]));
  }
  CHECK(longest / shortest < 1.25);
  CHECK(colours.front()[0] < 0.2);
  CHECK(colours.back()[0] > 0.9);
}

TEST_CASE("heat_colour: values outside are clamped", "[ground]") {
  CHECK(heat_colour(-1.0f) == heat_colour(0.0f));
  CHECK(heat_colour(2.0f) == heat_colour(1.0f));
  CHECK(heat_colour(std::numeric_limits<float>::infinity()) == heat_colour(1.0f));
  CHECK(heat_colour(std::numeric_limits<float>::quiet_NaN()) == heat_colour(0.0f));
}

TEST_CASE("font: every printable character has a shape of its own", "[ground]") {
  const TextStyle style{.capital_px = 20.0f};
  std::set<std::vector<float>> shapes;
  for (char c = '!'; c <= '~'; ++c) {
    CAPTURE(c);
    const std::string text(1, c);
    CHECK(ink(text, style) > 5.0);
    CHECK(text_width(text, style) > 2.0f);
    CHECK(shapes.insert(rasterise(text, style).coverage).second);
  }
  CHECK(shapes.insert(rasterise("\xC3\xA9", style).coverage).second);
  CHECK(rasterise("\xC3\xA9", style).coverage == rasterise("\xE2\x82\xAC", style).coverage);
}

TEST_CASE("font: widths add up and scale, ink stays within the mask", "[ground]") {
  const TextStyle style{.capital_px = 14.0f};
  CHECK(text_width("", style) == 0.0f);
  CHECK(text_width("circle", style) == Approx(text_width("cir", style) + text_width("cle", style)));
  CHECK(text_width("circle", {.capital_px = 28.0f}) == Approx(2 * text_width("circle", style)));
  CHECK(ink(" ", style) == 0.0);
  CHECK(ink("circle", {.capital_px = 14.0f, .stroke = 0.17f}) > ink("circle", style));
  const TextMask mask = rasterise("|()[]{}@gjpqyQ_$/", style);
  REQUIRE(mask.coverage.size() == size_t{mask.width} * mask.height);
  for (uint32_t y = 0; y < mask.height; ++y) {
    for (uint32_t x = 0; x < mask.width; ++x) {
      const bool edge = x == 0 || y == 0 || x + 1 == mask.width || y + 1 == mask.height;
      if (edge) REQUIRE(mask.coverage[size_t{y} * mask.width + x] == 0.0f);
      REQUIRE(mask.coverage[size_t{y} * mask.width + x] <= 1.0f);
    }
  }
}

TEST_CASE("font: letters stand on the base line and reach the capital height", "[ground]") {
  const TextStyle style{.capital_px = 20.0f, .stroke = 0.1f};
  const TextMask mask = rasterise("E", style);
  int32_t first = std::numeric_limits<int32_t>::max(), last = std::numeric_limits<int32_t>::min();
  for (uint32_t y = 0; y < mask.height; ++y) {
    for (uint32_t x = 0; x < mask.width; ++x) {
      if (mask.coverage[size_t{y} * mask.width + x] < 0.9f) continue;
      first = std::min(first, mask.top + static_cast<int32_t>(y));
      last = std::max(last, mask.top + static_cast<int32_t>(y));
    }
  }
  CHECK(first == -21);  // 20 up to the middle of the stroke, which is 2 wide
  CHECK(last == 0);
}

TEST_CASE("render: the panels show the picture, the box and the heat", "[ground]") {
  const Report report = report_with();
  const auto image = render(report);
  REQUIRE(image);
  CHECK(image->channels == 3);
  REQUIRE(image->pixels.size() == size_t{image->width} * image->height * 3);
  CHECK(image->width == 1198);
  const std::array<uint8_t, 3> grey = {90, 90, 90}, white = {255, 255, 255};
  CHECK(pixel(*image, kPanelX + 400, kPanelY + 400) == grey);
  // Patch (4, 5) is pixels 16 to 20 and 20 to 24, eight times as large: inside the box it's free,
  // around it there is a white line.
  CHECK(pixel(*image, kPanelX + 144, kPanelY + 176) == grey);
  CHECK(pixel(*image, kPanelX + 126, kPanelY + 176) == white);
  CHECK(pixel(*image, kPanelX + 161, kPanelY + 176) == white);
  CHECK(pixel(*image, kPanelX + 144, kPanelY + 193) == white);
  CHECK(pixel(*image, kPanelX + 120, kPanelY + 176) == grey);
  // The heat map is bright at that patch's centre and dark far from it.
  const double peak = oklab(pixel(*image, kHeatX + 144, kPanelY + 176))[0];
  const double far = oklab(pixel(*image, kHeatX + 400, kPanelY + 400))[0];
  CHECK(peak > 0.8);
  CHECK(far < 0.4);
  // The scale beside it runs from the brightest to the darkest colour.
  const uint32_t scale_x = kHeatX + kPanelSide + 18 + 7;
  CHECK(oklab(pixel(*image, scale_x, kPanelY + 3))[0] > 0.9);
  CHECK(pixel(*image, scale_x, kPanelY + kPanelSide / 2) == heat_colour(1.0f - 256.5f / 512.0f));
  CHECK(oklab(pixel(*image, scale_x, kPanelY + kPanelSide - 4))[0] < 0.2);
}

TEST_CASE("render: the same report gives the same bytes; each part changes its own", "[ground]") {
  const Report report = report_with();
  const auto image = render(report);
  REQUIRE(image);
  CHECK(render(report)->pixels == image->pixels);
  const auto changed = [&](auto change) {
    Report other = report;
    change(other);
    const auto result = render(other);
    REQUIRE(result);
    return result->pixels != image->pixels;
  };
  CHECK(changed([](Report& r) { r.phrase = "the red ring"; }));
  CHECK(changed([](Report& r) { r.caption = "another device"; }));
  CHECK(changed([](Report& r) { r.words[2] = "ring"; }));
  CHECK(changed([](Report& r) { r.box = {0, 0, 8, 8}; }));
  CHECK(changed([](Report& r) { r.probabilities[0] = 0.5f; }));
  CHECK(changed([](Report& r) { r.word_maps[0] = 0.2f; }));
  CHECK(changed([](Report& r) { r.image.pixels[5000] = 0; }));
}

TEST_CASE("render: without a box there is no white line", "[ground]") {
  Report report = report_with();
  const auto with = render(report);
  report.box = {};
  const auto without = render(report);
  REQUIRE((with && without));
  const std::array<uint8_t, 3> white = {255, 255, 255};
  CHECK(count(*with, white, kPanelX, kPanelX + kPanelSide) > 300);
  CHECK(count(*without, white, kPanelX, kPanelX + kPanelSide) == 0);
}

TEST_CASE("render: a box at the edge stays on its panel", "[ground]") {
  Report report = report_with();
  report.box = {0, 0, 64, 64};
  const auto image = render(report);
  REQUIRE(image);
  const std::array<uint8_t, 3> white = {255, 255, 255};
  CHECK(count(*image, white, kPanelX, kPanelX + kPanelSide) > 4 * 400);
  CHECK(count(*image, white, 0, kPanelX) == 0);
  CHECK(count(*image, white, kPanelX + kPanelSide, kHeatX) == 0);
}

TEST_CASE("render: any number of words, any shape of picture", "[ground]") {
  const auto height = [](size_t words) {
    const auto image = render(report_with(std::vector<std::string>(words, "word")));
    REQUIRE(image);
    return image->height;
  };
  CHECK(height(0) < height(10));
  CHECK(height(10) < height(11));  // a second row
  CHECK(height(11) < height(21));
  for (const auto& [width, rows] :
       {std::pair{1u, 1u}, {2u, 300u}, {300u, 2u}, {640u, 480u}, {100u, 3000u}}) {
    CAPTURE(width, rows);
    Report report = report_with();
    report.image = {width, rows, 3, std::vector<uint8_t>(size_t{width} * rows * 3, 200)};
    report.box = box_of(report.probabilities, 0.1f, width, rows);
    CHECK(render(report));
  }
  Report long_text = report_with({std::string(500, 'w')});
  long_text.phrase = std::string(5000, 'm');
  long_text.caption = std::string(5000, '\xFF');
  CHECK(render(long_text));
}

TEST_CASE("render: reports that don't fit together are refused", "[ground]") {
  const auto refused = [](auto change) {
    Report report = report_with();
    change(report);
    const auto result = render(report);
    return !result && result.error().code == weft::Code::invalid_argument;
  };
  CHECK(refused([](Report& r) { r.image = {}; }));
  CHECK(refused([](Report& r) { r.image.pixels.pop_back(); }));
  CHECK(refused([](Report& r) { r.image = {2, 2, 4, std::vector<uint8_t>(16)}; }));
  CHECK(refused([](Report& r) { r.probabilities.pop_back(); }));
  CHECK(refused([](Report& r) { r.probabilities[7] = std::nanf(""); }));
  CHECK(refused([](Report& r) { r.word_maps.pop_back(); }));
  CHECK(refused([](Report& r) { r.words.pop_back(); }));
  CHECK(refused([](Report& r) { r.word_maps[3] = -0.1f; }));
  CHECK(refused([](Report& r) { r.word_maps[3] = std::numeric_limits<float>::infinity(); }));
  CHECK(refused([](Report& r) { r.box = {0, 0, 65, 64}; }));
  CHECK(refused([](Report& r) { r.box = {-1, 0, 4, 4}; }));
}
