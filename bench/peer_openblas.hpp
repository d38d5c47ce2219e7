// The peer on the same cores: OpenBLAS. Attention as two matrix products with a softmax between,
// and linear.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "measured.hpp"

namespace weft::bench {

struct PeerRun {
  std::function<void()> run;
  std::function<reference::Array()> output;
  std::string label;  // how it uses the cores
};

// A peer for the case, or none: built without OpenBLAS, or not a case of plain f32 tensors.
bool has_openblas_peer(const cases::Case& problem);
// Chooses the faster of two ways to use the cores, by trying both.
PeerRun make_openblas_peer(Measured& measured, int threads);
// "OpenBLAS 0.3.21 ... Zen", or "" without it.
std::string openblas_version();

}  // namespace weft::bench
