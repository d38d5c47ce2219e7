// Cases on a device: their tensors, and the calls that the library takes.
#pragma once

#include <cstddef>
#include <vector>

#include "reference/problem.hpp"
#include "weft/weft.hpp"

namespace weft::cases {

// A tensor over a buffer of its own that holds these bytes.
Result<Tensor> upload(const Device& device, const std::vector<std::byte>& bytes,
                      const Placement& placement);
Result<Tensor> upload(const Device& device, const reference::Array& values,
                      const Placement& placement);
// An output: every byte, elements too, holds the guard pattern.
Result<Tensor> poisoned(const Device& device, const Placement& placement);
Result<void> poison_again(const Device& device, const Tensor& tensor);
// All bytes of a tensor's buffer written anew.
Result<void> hold_again(const Device& device, const Tensor& tensor,
                        const std::vector<std::byte>& bytes);
// All bytes of a tensor's buffer.
Result<std::vector<std::byte>> buffer_bytes(const Device& device, const Tensor& tensor);

// The call of a case: inputs uploaded, outputs poisoned (but not where it runs in place).
Result<AttentionCall> make_call(const Device& device, const AttentionCase& c,
                                const AttentionProblem& problem);
Result<AttentionMergeCall> make_call(const Device& device, const MergeCase& c,
                                     const MergeProblem& problem);
Result<LinearCall> make_call(const Device& device, const LinearCase& c,
                             const LinearProblem& problem);
Result<NormCall> make_call(const Device& device, const NormCase& c, const NormProblem& problem);
Result<AddCall> make_call(const Device& device, const AddCase& c, const AddProblem& problem);
Result<MultiplyCall> make_call(const Device& device, const MultiplyCase& c,
                               const MultiplyProblem& problem);
Result<GatherCall> make_call(const Device& device, const GatherCase& c,
                             const GatherProblem& problem);
Result<MixKeysCall> make_call(const Device& device, const MixKeysCase& c,
                              const MixKeysProblem& problem);
Result<RotaryCall> make_call(const Device& device, const RotaryCase& c,
                             const RotaryProblem& problem);

}  // namespace weft::cases
