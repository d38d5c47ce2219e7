// Inside the scene generator: its random numbers and its painter.
#pragma once

#include <cstdint>

#include "ground/scenes.hpp"

namespace weft::ground {

// splitmix64; the standard distributions differ between libraries, so these are our own.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ull;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

  // Uniform in [0, count).
  int32_t below(int32_t count) {
    return static_cast<int32_t>(((next() >> 32) * static_cast<uint64_t>(count)) >> 32);
  }

  // Uniform in [low, high], both included.
  int32_t between(int32_t low, int32_t high) { return low + below(high - low + 1); }

  bool percent(int32_t chance) { return below(100) < chance; }

  // Bell-shaped around 0: the sum of four uniform bytes, standard deviation about 148.
  int32_t bell() {
    const uint64_t bits = next();
    int32_t sum = 0;
    for (int32_t i = 0; i < 4; ++i) sum += static_cast<int32_t>((bits >> (8 * i)) & 255u);
    return sum - 510;
  }

 private:
  uint64_t state_;
};

// Fills scene.image and scene.labels from scene.objects.
void draw_scene(Random& random, Scene& scene);

}  // namespace weft::ground
