#include "contender.hpp"

#include <algorithm>

namespace weft::bench {

const char* to_string(Clock clock) noexcept {
  switch (clock) {
    case Clock::wall:
      return "wall";
    case Clock::device:
      return "device";
    case Clock::host_record:
      return "host_record";
    case Clock::host_replay:
      return "host_replay";
    case Clock::first_record:
      return "first_record";
    case Clock::first_wall:
      return "first_wall";
  }
  return "";
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

Contender timed(std::string who, std::string detail, std::function<Result<void>()> run) {
  const auto timed_run = [run = std::move(run)]() -> Result<Times> {
    const auto begin = std::chrono::steady_clock::now();
    WEFT_TRY(run());
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
    return Times{{Clock::wall, taken.count()}};
  };
  return {.who = std::move(who), .detail = std::move(detail), .run = timed_run};
}

}  // namespace weft::bench
