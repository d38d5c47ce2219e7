// The peers: others that compute the same cases, each there only if this build or machine has it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "contender.hpp"
#include "weft/error.hpp"
#include "weft/traits.hpp"

namespace weft::bench {

// Two matrix products with a softmax between, and linear, on the same cores.
std::optional<Peer> openblas_peer(int threads);

// ggml's flash attention and products: its CPU backend, and its Vulkan backend on the device of
// that index and name; each where its backend loads.
std::vector<Peer> ggml_peers(int threads, uint32_t device_index, const DeviceTraits& traits);

// A program in Python that computes cases for us (peers/worker.py says what it reads and writes).
// Errors: invalid_argument: it can't be started; internal: what it said in place of its name.
Result<Peer> worker_peer(const std::string& who, const std::string& python,
                         const std::string& script, int threads, const DeviceTraits& traits);

}  // namespace weft::bench
