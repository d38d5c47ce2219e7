#include "ground/scenes_draw.hpp"

#include <algorithm>
#include <cstdlib>
#include <span>

namespace weft::ground {
namespace {

constexpr int32_t kOne = 1 << 14;  // fixed-point one of outlines and rotations
constexpr int32_t kSamples = 4;    // samples per pixel, both ways
constexpr int32_t kFull = kSamples * kSamples;
constexpr int32_t kPixels = kImageSize * kImageSize;

struct Point {
  int64_t x, y;
};

// Outlines with circumradius kOne, y down.
constexpr Point kSquare[] = {{-11585, -11585}, {11585, -11585}, {11585, 11585}, {-11585, 11585}};
constexpr Point kTriangle[] = {{0, -16384}, {14189, 8192}, {-14189, 8192}};
constexpr Point kCross[] = {{-5400, -15468}, {5400, -15468}, {5400, -5400},   {15468, -5400},
                            {15468, 5400},   {5400, 5400},   {5400, 15468},   {-5400, 15468},
                            {-5400, 5400},   {-15468, 5400}, {-15468, -5400}, {-5400, -5400}};
constexpr Point kStar[] = {{0, -16384},     {4815, -6627}, {15582, -5063}, {7791, 2531},
                           {9630, 13255},   {0, 8192},     {-9630, 13255}, {-7791, 2531},
                           {-15582, -5063}, {-4815, -6627}};
constexpr int32_t kRingHolePercent = 48;

std::span<const Point> outline(Shape shape) {
  switch (shape) {
    case Shape::square:
      return kSquare;
    case Shape::triangle:
      return kTriangle;
    case Shape::cross:
      return kCross;
    case Shape::star:
      return kStar;
    default:
      return {};
  }
}

// The offset from the object's centre, turned back and in fixed-point fractions of the radius.
Point to_object_space(const Object& object, int32_t dx, int32_t dy) {
  const int64_t denominator = 64 * 64 + object.turn * object.turn;
  const int64_t cosine = (64 * 64 - object.turn * object.turn) * kOne / denominator;
  const int64_t sine = 2 * 64 * object.turn * kOne / denominator;
  return {(cosine * dx + sine * dy) / object.radius, (cosine * dy - sine * dx) / object.radius};
}

bool inside_polygon(std::span<const Point> points, Point p) {
  bool inside = false;
  for (size_t i = 0, j = points.size() - 1; i < points.size(); j = i++) {
    const Point a = points[i], b = points[j];
    if ((a.y > p.y) == (b.y > p.y)) continue;
    const int64_t side = (b.x - a.x) * (p.y - a.y) - (p.x - a.x) * (b.y - a.y);
    if ((b.y > a.y) == (side > 0)) inside = !inside;
  }
  return inside;
}

bool inside_object(const Object& object, int32_t dx, int32_t dy) {
  const int32_t squared = dx * dx + dy * dy;
  if (squared > object.radius * object.radius) return false;
  if (object.shape == Shape::circle) return true;
  if (object.shape == Shape::ring) {
    const int32_t hole = object.radius * kRingHolePercent / 100;
    return squared >= hole * hole;
  }
  return inside_polygon(outline(object.shape), to_object_space(object, dx, dy));
}

// How many of a pixel's samples lie inside the object, 0 to kFull.
int32_t coverage(const Object& object, int32_t px, int32_t py) {
  constexpr int32_t kStep = kUnitsPerPixel / kSamples;
  int32_t count = 0;
  for (int32_t sy = 0; sy < kSamples; ++sy) {
    for (int32_t sx = 0; sx < kSamples; ++sx) {
      const int32_t x = px * kUnitsPerPixel + sx * kStep + kStep / 2;
      const int32_t y = py * kUnitsPerPixel + sy * kStep + kStep / 2;
      count += inside_object(object, x - object.x, y - object.y) ? 1 : 0;
    }
  }
  return count;
}

// Smooth noise: random values on a coarse grid, bilinear between them; -255 to 255.
class SmoothNoise {
 public:
  SmoothNoise(Random& random, int32_t cell) : cell_(cell), side_(kImageSize / cell + 2) {
    values_.resize(static_cast<size_t>(side_ * side_));
    for (int32_t& value : values_) value = random.between(-255, 255);
  }

  int32_t at(int32_t x, int32_t y) const {
    const int32_t gx = x / cell_, gy = y / cell_, fx = x % cell_, fy = y % cell_;
    const int32_t* row = &values_[static_cast<size_t>(gy * side_ + gx)];
    const int32_t top = row[0] * (cell_ - fx) + row[1] * fx;
    const int32_t bottom = row[side_] * (cell_ - fx) + row[side_ + 1] * fx;
    return (top * (cell_ - fy) + bottom * fy) / (cell_ * cell_);
  }

 private:
  int32_t cell_, side_;
  std::vector<int32_t> values_;
};

enum class Texture { plain, stripes, checks };

// A low-saturation base colour with stripes, checks or neither, and smooth noise on top.
void draw_background(Random& random, std::vector<int32_t>& canvas) {
  const int32_t grey = random.between(50, 200);
  std::array<int32_t, 3> base;
  for (int32_t& channel : base) channel = grey + random.between(-18, 18);
  const auto texture = static_cast<Texture>(random.below(3));
  const int32_t contrast = random.between(6, 26), period = random.between(3, 12);
  const int32_t slope_x = random.between(-3, 3), slope_y = random.between(1, 3);
  const SmoothNoise coarse(random, 16), fine(random, 4);
  const int32_t coarse_gain = random.between(5, 30), fine_gain = random.between(0, 22);
  for (int32_t y = 0; y < kImageSize; ++y) {
    for (int32_t x = 0; x < kImageSize; ++x) {
      int32_t value = (coarse.at(x, y) * coarse_gain + fine.at(x, y) * fine_gain) / 255;
      bool bright = false;
      if (texture == Texture::stripes) {
        bright = (x * slope_x + y * slope_y + 4 * kImageSize) / (2 * period) % 2 == 1;
      }
      if (texture == Texture::checks) bright = (x / period + y / period) % 2 == 1;
      if (texture != Texture::plain) value += bright ? contrast : -contrast;
      for (int32_t c = 0; c < 3; ++c) {
        canvas[static_cast<size_t>((y * kImageSize + x) * 3 + c)] =
            base[static_cast<size_t>(c)] + value;
      }
    }
  }
}

void draw_object(Random& random, int32_t index, Scene& scene, std::vector<int32_t>& canvas) {
  const Object& object = scene.objects[static_cast<size_t>(index)];
  const int32_t grain = random.between(0, 9);
  const auto clamped = [](int32_t units) {
    return std::clamp(units / kUnitsPerPixel, 0, kImageSize - 1);
  };
  for (int32_t y = clamped(object.y - object.radius); y <= clamped(object.y + object.radius); ++y) {
    for (int32_t x = clamped(object.x - object.radius); x <= clamped(object.x + object.radius);
         ++x) {
      const int32_t covered = coverage(object, x, y);
      if (covered == 0) continue;
      const auto pixel = static_cast<size_t>(y * kImageSize + x);
      if (2 * covered >= kFull) scene.labels[pixel] = static_cast<uint8_t>(index + 1);
      const int32_t speckle = random.bell() * grain / 148;
      for (size_t c = 0; c < 3; ++c) {
        int32_t& value = canvas[pixel * 3 + c];
        value = (value * (kFull - covered) + (object.rgb[c] + speckle) * covered) / kFull;
      }
    }
  }
}

// Brightness over the whole picture, a linear gradient across it, and sensor noise.
void light_and_store(Random& random, const std::vector<int32_t>& canvas, Scene& scene) {
  const int32_t brightness = random.between(700, 1150);  // thousandths
  const int32_t gradient_x = random.between(-7, 7), gradient_y = random.between(-7, 7);
  const int32_t noise = random.between(2, 11);
  for (int32_t y = 0; y < kImageSize; ++y) {
    for (int32_t x = 0; x < kImageSize; ++x) {
      const int32_t light =
          brightness + gradient_x * (x - kImageSize / 2) + gradient_y * (y - kImageSize / 2);
      for (int32_t c = 0; c < 3; ++c) {
        const auto i = static_cast<size_t>((y * kImageSize + x) * 3 + c);
        const int32_t value = canvas[i] * light / 1000 + random.bell() * noise / 148;
        scene.image[i] = static_cast<uint8_t>(std::clamp(value, 0, 255));
      }
    }
  }
}

}  // namespace

void draw_scene(Random& random, Scene& scene) {
  scene.image.assign(static_cast<size_t>(kPixels * 3), 0);
  scene.labels.assign(static_cast<size_t>(kPixels), 0);
  std::vector<int32_t> canvas(static_cast<size_t>(kPixels * 3));
  draw_background(random, canvas);
  for (size_t i = 0; i < scene.objects.size(); ++i) {
    draw_object(random, static_cast<int32_t>(i), scene, canvas);
  }
  light_and_store(random, canvas, scene);
}

}  // namespace weft::ground
