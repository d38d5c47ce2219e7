// Scheduling, pure: from the byte ranges that operations touch to order, barriers and shared memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace weft::schedule {

struct Range {
  uint32_t buffer = 0;  // any numbering of buffers
  uint64_t begin = 0;
  uint64_t end = 0;
  bool write = false;
};

struct Node {
  std::vector<Range> ranges;
};

// The earliest level of each node: one more than every earlier node that it conflicts with (a shared
// byte that one of them writes). Nodes of a level may overlap; a barrier stands between levels, so the
// count of barriers is the length of the longest chain of conflicts, the fewest there can be.
std::vector<uint32_t> levels(std::span<const Node> nodes);

struct Lifetime {
  uint64_t bytes = 0;
  uint32_t first_level = 0;
  uint32_t last_level = 0;
};

struct Placement {
  std::vector<uint64_t> offsets_bytes;
  uint64_t total_bytes = 0;
};

// Places memory so that only lifetimes without a common level share bytes: largest first, each at the
// lowest free offset. Offsets are multiples of `alignment_bytes`.
Placement place(std::span<const Lifetime> lifetimes, uint64_t alignment_bytes);

}  // namespace weft::schedule
