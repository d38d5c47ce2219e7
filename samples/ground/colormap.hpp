// The colours of heat maps: from near black over violet, red and orange to pale yellow, in steps
// that look equally large, so that equal differences of a value look equal. Lightness only rises:
// the order survives in greyscale and for colour-blind eyes.
#pragma once

#include <array>
#include <cstdint>

namespace weft::ground {

// The sRGB colour of a value in 0 to 1; values outside are clamped, NaN counts as 0.
std::array<uint8_t, 3> heat_colour(float value);

}  // namespace weft::ground
