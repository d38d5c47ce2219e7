#include "ground/colormap.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#define GLM_ENABLE_EXPERIMENTAL  // for the spline
#include <glm/glm.hpp>
#include <glm/gtx/spline.hpp>
#include <vector>

namespace weft::ground {
namespace {

using Table = std::array<std::array<uint8_t, 3>, 256>;

// Stations of the way through the colours: lightness, chroma, and hue in degrees, of Oklab.
constexpr std::array<std::array<float, 3>, 7> kStations = {{
    {0.13f, 0.035f, 280.0f},
    {0.27f, 0.120f, 292.0f},
    {0.42f, 0.165f, 330.0f},
    {0.56f, 0.190f, 10.0f},
    {0.70f, 0.170f, 45.0f},
    {0.84f, 0.145f, 80.0f},
    {0.96f, 0.090f, 103.0f},
}};

glm::vec3 oklab_of(const std::array<float, 3>& station) {
  const float hue = glm::radians(station[2]);
  return {station[0], station[1] * std::cos(hue), station[1] * std::sin(hue)};
}

// Oklab to linear sRGB, with the constants that its author published into the public domain:
// Bjorn Ottosson, "A perceptual color space for image processing", 2020.
glm::vec3 linear_of(const glm::vec3& lab) {
  const glm::vec3 root = {lab.x + 0.3963377774f * lab.y + 0.2158037573f * lab.z,
                          lab.x - 0.1055613458f * lab.y - 0.0638541728f * lab.z,
                          lab.x - 0.0894841775f * lab.y - 1.2914855480f * lab.z};
  const glm::vec3 cone = root * root * root;
  return {4.0767416621f * cone.x - 3.3077115913f * cone.y + 0.2309699292f * cone.z,
          -1.2684380046f * cone.x + 2.6097574011f * cone.y - 0.3413193965f * cone.z,
          -0.0041960863f * cone.x - 0.7034186147f * cone.y + 1.7076147010f * cone.z};
}

uint8_t encoded(float linear) {
  const float clamped = std::clamp(linear, 0.0f, 1.0f);
  const float srgb =
      clamped <= 0.0031308f ? 12.92f * clamped : 1.055f * std::pow(clamped, 1.0f / 2.4f) - 0.055f;
  return static_cast<uint8_t>(std::lround(srgb * 255.0f));
}

// A smooth curve through all stations, finely sampled.
std::vector<glm::vec3> curve() {
  constexpr size_t kSamplesPerLeg = 128;
  constexpr size_t kLegs = kStations.size() - 1;
  std::vector<glm::vec3> points;
  for (size_t leg = 0; leg < kLegs; ++leg) {
    const glm::vec3 from = oklab_of(kStations[leg]), to = oklab_of(kStations[leg + 1]);
    const glm::vec3 before = leg > 0 ? oklab_of(kStations[leg - 1]) : 2.0f * from - to;
    const glm::vec3 after = leg + 1 < kLegs ? oklab_of(kStations[leg + 2]) : 2.0f * to - from;
    for (size_t i = 0; i < kSamplesPerLeg; ++i) {
      const float share = static_cast<float>(i) / kSamplesPerLeg;
      points.push_back(glm::catmullRom(before, from, to, after, share));
    }
  }
  points.push_back(oklab_of(kStations.back()));
  return points;
}

// Equal steps along the curve: distance in Oklab is close to the difference that is seen.
Table make_table() {
  const std::vector<glm::vec3> points = curve();
  std::vector<float> length = {0.0f};
  for (size_t i = 1; i < points.size(); ++i) {
    length.push_back(length.back() + glm::distance(points[i - 1], points[i]));
  }
  Table table;
  size_t at = 0;
  for (size_t i = 0; i < table.size(); ++i) {
    const float target =
        length.back() * static_cast<float>(i) / static_cast<float>(table.size() - 1);
    while (at + 2 < points.size() && length[at + 1] < target) ++at;
    const float share = std::min((target - length[at]) / (length[at + 1] - length[at]), 1.0f);
    const glm::vec3 linear = linear_of(glm::mix(points[at], points[at + 1], share));
    table[i] = {encoded(linear.r), encoded(linear.g), encoded(linear.b)};
  }
  return table;
}

}  // namespace

std::array<uint8_t, 3> heat_colour(float value) {
  static const Table kTable = make_table();
  if (!(value > 0.0f)) return kTable.front();
  const float scaled = std::min(value, 1.0f) * static_cast<float>(kTable.size() - 1);
  return kTable[static_cast<size_t>(std::lround(scaled))];
}

}  // namespace weft::ground
