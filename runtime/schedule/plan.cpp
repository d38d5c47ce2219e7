#include "schedule/plan.hpp"

#include <algorithm>
#include <numeric>

namespace weft::schedule {
namespace {

struct Past {
  uint64_t begin;
  uint64_t end;
  uint32_t level;
};

struct History {
  std::vector<Past> reads;
  std::vector<Past> writes;
};

uint32_t level_after(const std::vector<Past>& past, const Range& range) {
  uint32_t level = 0;
  for (const Past& access : past)
    if (access.begin < range.end && range.begin < access.end) level = std::max(level, access.level + 1);
  return level;
}

// A write that covers earlier accesses stands for them: it comes after all of them.
void remember(History& history, const Range& range, uint32_t level) {
  auto covered = [&](const Past& access) { return range.begin <= access.begin && access.end <= range.end; };
  if (range.write) {
    std::erase_if(history.reads, covered);
    std::erase_if(history.writes, covered);
  }
  (range.write ? history.writes : history.reads).push_back({range.begin, range.end, level});
}

}  // namespace

std::vector<uint32_t> levels(std::span<const Node> nodes) {
  uint32_t buffers = 0;
  for (const Node& node : nodes)
    for (const Range& range : node.ranges) buffers = std::max(buffers, range.buffer + 1);
  std::vector<History> histories(buffers);
  std::vector<uint32_t> result;
  result.reserve(nodes.size());
  for (const Node& node : nodes) {
    uint32_t level = 0;
    for (const Range& range : node.ranges) {
      const History& history = histories[range.buffer];
      level = std::max(level, level_after(history.writes, range));
      if (range.write) level = std::max(level, level_after(history.reads, range));
    }
    for (const Range& range : node.ranges)
      if (range.begin < range.end) remember(histories[range.buffer], range, level);
    result.push_back(level);
  }
  return result;
}

Placement place(std::span<const Lifetime> lifetimes, uint64_t alignment_bytes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  Placement result;
  result.offsets_bytes.assign(lifetimes.size(), 0);
  std::vector<size_t> placed;  // by offset
  for (size_t index : order) {
    const Lifetime& life = lifetimes[index];
    uint64_t offset = 0;
    for (size_t other : placed) {
      const Lifetime& theirs = lifetimes[other];
      if (theirs.last_level < life.first_level || life.last_level < theirs.first_level) continue;
      const uint64_t begin = result.offsets_bytes[other];
      if (offset + life.bytes <= begin) break;  // fits into the gap before it
      const uint64_t end = begin + theirs.bytes;
      offset = std::max(offset, (end + alignment_bytes - 1) / alignment_bytes * alignment_bytes);
    }
    result.offsets_bytes[index] = offset;
    result.total_bytes = std::max(result.total_bytes, offset + life.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), offset,
                                   [&](uint64_t value, size_t other) { return value < result.offsets_bytes[other]; }),
                  index);
  }
  return result;
}

}  // namespace weft::schedule
