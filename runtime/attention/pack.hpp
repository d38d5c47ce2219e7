// Keys or values copied to where the rows of a head follow each other, and converted where asked.
#pragma once

#include "base/checks.hpp"
#include "weft/recorder.hpp"

namespace weft::attention_detail {

// The shape of a copy of [batch, heads, rows, dim]: an axis that repeats stays one item of it.
Dims packed_shape(const Tensor& tensor);
// Records the copy into `memory`, dense and of the packed shape, of the same type or f32; what comes back has data's
// shape, repeating what it repeats.
Result<Tensor> pack(Recorder& recorder, const checks::Rules& rules, const Tensor& data, const Tensor& memory);

}  // namespace weft::attention_detail
