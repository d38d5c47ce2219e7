// Linear rows: the choice among them, and one recorded.
#pragma once

#include <span>

#include "decide/select.hpp"
#include "ops/validate.hpp"
#include "weft/ops.hpp"

namespace weft::ops {

// Records a validated call with that row. Errors: unsupported (more workgroups than the device
// allows), those of pipelines.
Result<void> record(Recorder& recorder, const LinearCall& call, const LinearShape& shape,
                    const decide::LinearRow& row);

decide::LinearProblem problem_of(const LinearCall& call, const LinearShape& shape) noexcept;

// The row for a problem: the first that fits and, where it must prove itself, has passed its
// self-test. Errors: unsupported, those of the device.
Result<const decide::LinearRow*> choose(
    const Device& device, const decide::LinearProblem& problem,
    std::span<const decide::LinearRow> rows = decide::linear_rows());

}  // namespace weft::ops
