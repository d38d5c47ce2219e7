// Case lines drawn at random, the same ones for the same seed everywhere.
#pragma once

#include <cstdint>

#include "reference/case_line.hpp"

namespace weft::cases {

// Lines of one group share everything that a pipeline is compiled for (types, dims, kinds of masks,
// features) and differ in what a call says: sizes, strides, contents, lengths, offsets.
inline constexpr int64_t kRandomGroup = 16;

// Case `index` of a seed: an attention, now and then weights or a merge. It parses from its line.
Case random_case(int64_t seed, int64_t index);

}  // namespace weft::cases
